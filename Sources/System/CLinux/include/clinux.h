// Linux calls that the Glibc module does not show to Swift, under names of our own.
#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>
#include <stdint.h>

#endif
