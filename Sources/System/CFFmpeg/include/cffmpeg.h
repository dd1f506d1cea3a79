// FFmpeg's libraries, loaded when first needed.
#ifndef CFFMPEG_H
#define CFFMPEG_H

#endif
