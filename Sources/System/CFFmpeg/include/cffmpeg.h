// FFmpeg's libraries, loaded when first needed.
//
// A program that links libavformat starts with 135 shared libraries and 27 MB; most roles of the program
// never touch it. So nothing is linked: the headers give the types, and this table gives the functions,
// looked up by name in the very library version that the headers are of.
#ifndef CFFMPEG_H
#define CFFMPEG_H

#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavdevice/avdevice.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/dict.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>
#include <stddef.h>
#include <stdint.h>

#define CFFMPEG_AVUTIL(F) \
    F(av_dict_copy) \
    F(av_dict_free) \
    F(av_dict_get) \
    F(av_dict_set) \
    F(av_free) \
    F(av_log_set_callback) \
    F(av_malloc) \
    F(av_mallocz) \
    F(av_opt_set) \
    F(av_rescale_q) \
    F(av_strerror)

#define CFFMPEG_AVCODEC(F) \
    F(av_bsf_alloc) \
    F(av_bsf_free) \
    F(av_bsf_get_by_name) \
    F(av_bsf_init) \
    F(av_bsf_receive_packet) \
    F(av_bsf_send_packet) \
    F(av_get_audio_frame_duration2) \
    F(av_packet_alloc) \
    F(av_packet_clone) \
    F(av_packet_free) \
    F(av_packet_free_side_data) \
    F(av_packet_get_side_data) \
    F(av_packet_move_ref) \
    F(av_packet_ref) \
    F(av_packet_rescale_ts) \
    F(av_packet_unref) \
    F(avcodec_get_name) \
    F(avcodec_parameters_alloc) \
    F(avcodec_parameters_copy) \
    F(avcodec_parameters_free)

#define CFFMPEG_AVFORMAT(F) \
    F(av_find_input_format) \
    F(av_guess_format) \
    F(av_interleaved_write_frame) \
    F(av_read_frame) \
    F(av_seek_frame) \
    F(av_stream_get_side_data) \
    F(av_write_frame) \
    F(av_write_trailer) \
    F(avformat_alloc_context) \
    F(avformat_alloc_output_context2) \
    F(avformat_close_input) \
    F(avformat_find_stream_info) \
    F(avformat_free_context) \
    F(avformat_match_stream_specifier) \
    F(avformat_network_init) \
    F(avformat_new_stream) \
    F(avformat_open_input) \
    F(avformat_query_codec) \
    F(avformat_write_header) \
    F(avio_alloc_context) \
    F(avio_closep) \
    F(avio_context_free) \
    F(avio_find_protocol_name) \
    F(avio_flush) \
    F(avio_open2) \
    F(avio_read_partial) \
    F(avio_seek) \
    F(avio_size)

#define CFFMPEG_FIELD(name) __typeof__(name) *_Nonnull name;

/// The functions of libavutil, libavcodec and libavformat that are used here, under their own names.
struct cffmpeg_functions {
    CFFMPEG_AVUTIL(CFFMPEG_FIELD)
    CFFMPEG_AVCODEC(CFFMPEG_FIELD)
    CFFMPEG_AVFORMAT(CFFMPEG_FIELD)
};

/// The table, loading the libraries at the first call. NULL when one is missing or too old: `message` then
/// says which. May be called from any thread.
const struct cffmpeg_functions *_Nullable cffmpeg_load(char *_Nonnull message, size_t capacity);

/// Loads libavdevice too (capture devices) and registers what it has. 0, or -1 when it is missing.
int cffmpeg_load_devices(void);

/// The last error line that FFmpeg logged on this thread since the last call, without its line end; "" for
/// none.
void cffmpeg_take_log(char *_Nonnull text, size_t capacity);

/// Ends every blocking call of this process that waits in FFmpeg or in `cffmpeg_wait_readable`.
/// Async-signal-safe.
void cffmpeg_request_interrupt(void);
/// Takes the request back, so that inputs can be opened again.
void cffmpeg_clear_interrupt(void);
/// Not 0 when an interrupt was requested.
int cffmpeg_is_interrupted(void);

/// How long the calls made on behalf of one input may take.
struct cffmpeg_patience {
    /// CLOCK_MONOTONIC in nanoseconds when patience ends; 0 for never.
    int64_t deadline;
};
/// An AVIOInterruptCB callback; `patience` is a `struct cffmpeg_patience` or NULL.
int cffmpeg_interrupt_callback(void *_Nullable patience);

/// Waits until `descriptor` can be read: 1, 0 after `milliseconds` (-1: no limit), or -1 when interrupted.
int cffmpeg_wait_readable(int descriptor, int milliseconds);

/// Frees an AVPacket; of the shape that whoever holds one for us can call. Only after `cffmpeg_load`.
void cffmpeg_release_packet(void *_Nonnull packet);

/// Waits until `descriptor` can be written: 1. Once interrupted, no longer than `milliseconds`: then 0.
int cffmpeg_wait_writable(int descriptor, int milliseconds);

/// A new event descriptor (eventfd) that never blocks, or -1.
int cffmpeg_make_event(void);

/// Error codes that are macros in FFmpeg.
enum {
    CFFMPEG_EOF = AVERROR_EOF,
    CFFMPEG_EXIT = AVERROR_EXIT,
    CFFMPEG_INVALID_DATA = AVERROR_INVALIDDATA,
    CFFMPEG_IO_ERROR = AVERROR(EIO),
    CFFMPEG_AGAIN = AVERROR(EAGAIN),
    CFFMPEG_NO_MEMORY = AVERROR(ENOMEM),
    CFFMPEG_PROTOCOL_NOT_FOUND = AVERROR_PROTOCOL_NOT_FOUND,
    CFFMPEG_PATCH_WELCOME = AVERROR_PATCHWELCOME,
};

#endif
