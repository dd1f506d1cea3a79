// An HTTP server by libwebsockets, which is loaded when the first server is opened.
//
// A program that links libwebsockets starts with OpenSSL too; most roles of the program never serve a page. So nothing is
// linked, and nothing of libwebsockets is seen here: this header is all that there is to it.
#ifndef CWEBSOCKETS_H
#define CWEBSOCKETS_H

#include <stddef.h>
#include <stdint.h>

/// What a request asks for.
enum cws_method { CWS_GET, CWS_HEAD, CWS_OPTIONS, CWS_OTHER };

/// A request; valid during the call that hands it over.
struct cws_request {
    enum cws_method method;
    /// The path without its query, percent escapes resolved.
    const char *_Nonnull path;
};

/// How a request is answered.
struct cws_answer {
    /// The status, such as 200.
    int status;
    /// The body's type; a text that lives as long as the program.
    const char *_Nonnull content_type;
    /// A body that ends, set by `cws_set_body`.
    uint8_t *_Nullable body;
    size_t body_byte_count;
    /// Not 0: a body that is asked for piece by piece (`cws_handler.read`) under this number until it ends.
    uint64_t stream;
};

/// Gives `answer` a copy of `body`, which the server frees.
void cws_set_body(struct cws_answer *_Nonnull answer, const uint8_t *_Nullable body, size_t byte_count);

/// What `cws_handler.read` gives when there is nothing now, or nothing any more.
enum { CWS_LATER = 0, CWS_END = -1 };

/// Who answers. All calls are made on the thread that runs the server.
struct cws_handler {
    void *_Nonnull owner;
    /// Fills in how `request` is answered.
    void (*_Nonnull answer)(
        void *_Nonnull owner, const struct cws_request *_Nonnull request, struct cws_answer *_Nonnull answer);
    /// Puts up to `capacity` bytes of the body `stream` in `buffer`; their number, CWS_LATER or CWS_END.
    ptrdiff_t (*_Nonnull read)(
        void *_Nonnull owner, uint64_t stream, uint8_t *_Nonnull buffer, size_t capacity);
    /// The client of `stream` has gone, or has had all; called once for each.
    void (*_Nonnull closed)(void *_Nonnull owner, uint64_t stream);
};

struct cws_server;

/// Opens a server on the numeric `address` (IPv4 or IPv6) and `port` (0: any). At most `connection_limit` connections are
/// open at once; further ones are closed at once. NULL when it cannot be: `code` is then an errno, or 0 where `message`
/// tells what libwebsockets lacks.
struct cws_server *_Nullable cws_open(
    const char *_Nonnull address, int port, int connection_limit, struct cws_handler handler, int *_Nonnull code,
    char *_Nonnull message, size_t capacity);

/// The port that the server listens on.
int cws_port(const struct cws_server *_Nonnull server);

/// Serves until `cws_stop`; on one thread, of the caller.
void cws_run(struct cws_server *_Nonnull server);

/// Bodies that had nothing may have something now. From any thread, between `cws_open` and `cws_close`.
void cws_wake(struct cws_server *_Nonnull server);

/// Ends `cws_run`. From any thread, between `cws_open` and `cws_close`.
void cws_stop(struct cws_server *_Nonnull server);

/// Closes all connections and frees the server, when `cws_run` is over or was never called.
void cws_close(struct cws_server *_Nonnull server);

#endif
