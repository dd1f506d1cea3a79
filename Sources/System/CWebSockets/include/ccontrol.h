// WebSocket connections over TLS by libwebsockets, both ends, on one thread of the caller's: the control channel.
//
// A hub is that thread's loop. It holds connections, each called by a number of the caller's, and at most one listening
// socket. All calls of the handler are made on the thread that runs the hub; so must be all calls here but `cws_hub_wake`
// and `cws_hub_stop`. Queues are the caller's: the hub asks for what is to be sent when it can be sent.
#ifndef CCONTROL_H
#define CCONTROL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct cws_hub;
struct cws_link;

/// What `cws_hub_handler.fill` gives besides a number of bytes.
enum { CWS_NOTHING = -1, CWS_CLOSE = -2 };

/// How a connection ended.
enum cws_ending {
    /// It was closed, or broke, or could not be made: another try may help.
    CWS_BROKEN,
    /// The other side is not who it should be, or will not have us: another try will not help.
    CWS_REFUSED,
};

/// Who is told. `owner` is what `cws_hub_listen` or `cws_hub_connect` was given.
struct cws_hub_handler {
    /// Somebody called `cws_hub_wake`, or the alarm is due.
    void (*_Nonnull woken)(void *_Nonnull hub_owner);
    /// A connection comes from `address`; the number it is called by from now on, or 0 to turn it away.
    uint32_t (*_Nonnull arrived)(
        void *_Nonnull owner, struct cws_link *_Nonnull link, const struct sockaddr *_Nonnull address);
    /// It is a WebSocket of our subprotocol now.
    void (*_Nonnull opened)(void *_Nonnull owner, uint32_t number);
    /// A whole message; the bytes are the hub's.
    void (*_Nonnull received)(
        void *_Nonnull owner, uint32_t number, const uint8_t *_Nullable bytes, size_t byte_count);
    /// A page is asked for, with what stands behind the question mark; to be answered by `cws_link_answer`, once.
    void (*_Nonnull requested)(
        void *_Nonnull owner, uint32_t number, const char *_Nonnull path, const char *_Nonnull query);
    /// Puts the next piece of a message in `buffer`: its length, CWS_NOTHING or CWS_CLOSE. `is_last` is set to 0 when
    /// more of the message follows.
    ptrdiff_t (*_Nonnull fill)(
        void *_Nonnull owner, uint32_t number, uint8_t *_Nonnull buffer, size_t capacity, int *_Nonnull is_last);
    /// The connection is gone, and `link` with it; called once for each that has a number.
    void (*_Nonnull closed)(
        void *_Nonnull owner, uint32_t number, enum cws_ending ending, const char *_Nonnull reason);
};

/// A hub without connections, for at most `connection_limit` of them; messages are at most `message_limit` bytes long.
/// NULL when libwebsockets is missing: `message` then tells.
struct cws_hub *_Nullable cws_hub_open(
    int connection_limit, size_t message_limit, struct cws_hub_handler handler, void *_Nonnull owner,
    char *_Nonnull message, size_t capacity);

/// Listens on `address`; `certificate` and `key` are the paths of PEM files. 0, or an errno, or -1 where `message` tells.
int cws_hub_listen(
    struct cws_hub *_Nonnull hub, const struct sockaddr *_Nonnull address, socklen_t address_byte_count,
    const char *_Nonnull certificate, const char *_Nonnull key, void *_Nonnull owner, char *_Nonnull message,
    size_t capacity);

/// The port that the hub listens on.
int cws_hub_port(const struct cws_hub *_Nonnull hub);

/// Where a connection goes.
struct cws_place {
    const char *_Nonnull host;
    int port;
    /// A local address to come from; NULL for any.
    const char *_Nullable from;
    /// SHA-256 of the server's public key (SubjectPublicKeyInfo); NULL: the system's authorities vouch for the host.
    const uint8_t *_Nullable pin;
};

/// Begins a connection called `number`. NULL, after `closed` was called, when that failed at once.
struct cws_link *_Nullable cws_hub_connect(
    struct cws_hub *_Nonnull hub, const struct cws_place *_Nonnull place, uint32_t number, void *_Nonnull owner);

/// Turns the loop until `cws_hub_stop`.
void cws_hub_run(struct cws_hub *_Nonnull hub);

/// Has `woken` called soon. From any thread.
void cws_hub_wake(struct cws_hub *_Nonnull hub);

/// Has `woken` called in so many microseconds; one alarm a hub, the last one set. Negative: none.
void cws_hub_alarm(struct cws_hub *_Nonnull hub, int64_t microseconds);

/// Ends `cws_hub_run`. From any thread.
void cws_hub_stop(struct cws_hub *_Nonnull hub);

/// Closes all connections and frees the hub, when `cws_hub_run` is over or was never called.
void cws_hub_close(struct cws_hub *_Nonnull hub);

/// There is something to send: `fill` is called when it can be.
void cws_link_wants_to_send(struct cws_link *_Nonnull link);

/// Takes nothing from the connection any more, or goes on.
void cws_link_pause(struct cws_link *_Nonnull link, int is_paused);

/// What a close says: a status of RFC 6455 section 7.4 and up to 123 bytes of reason; sent when `fill` gives CWS_CLOSE.
void cws_link_set_reason(struct cws_link *_Nonnull link, int status, const char *_Nonnull reason);

/// Breaks the connection off, without a goodbye, soon.
void cws_link_abort(struct cws_link *_Nonnull link);

/// Answers a request; `body` is copied.
void cws_link_answer(
    struct cws_link *_Nonnull link, int status, const char *_Nonnull content_type, const uint8_t *_Nullable body,
    size_t byte_count);

#endif
