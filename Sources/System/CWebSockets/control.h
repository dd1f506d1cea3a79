// What the files of the control channel share.
#ifndef CWEBSOCKETS_CONTROL_H
#define CWEBSOCKETS_CONTROL_H

#include "ccontrol.h"
#include "library.h"

#include <stdatomic.h>

enum {
    // Bytes of a message written at once.
    CONTROL_PIECE_BYTE_COUNT = 16 * 1024,
    // The kernel's buffers for one connection, so that one who does not read costs no more.
    CONTROL_SOCKET_BYTE_COUNT = 64 * 1024,
    // How long TLS, the upgrade and a request may take to arrive.
    CONTROL_HANDSHAKE_SECONDS = 10,
};

/// One connection: from its accept or connect until libwebsockets has let it go.
struct cws_link {
    struct cws_hub *hub;
    struct lws *wsi;
    void *owner;
    uint32_t number;
    uint8_t is_client;
    /// Its upgrade is done.
    uint8_t is_open;
    /// It is in a call that makes it; who ends it then leaves the rest to that call.
    uint8_t is_making;
    uint8_t is_gone;
    uint8_t is_aborted;
    uint8_t has_pin;
    enum cws_ending ending;
    int close_status;
    /// Why it ended, or is to end.
    char reason[128];
    uint8_t pin[32];
    /// The message that is arriving.
    uint8_t *message;
    size_t message_byte_count, message_capacity;
    int is_continuing;
    /// The page that is being sent.
    uint8_t *body;
    size_t body_byte_count, body_sent;
};

struct cws_hub {
    const struct cws_functions *lws;
    struct cws_hub_handler handler;
    void *owner;
    void *listening_owner;
    struct lws_context *context;
    struct lws_vhost *serving;
    struct lws_vhost *pinning;
    struct lws_vhost *trusting;
    struct lws *listener;
    struct lws_protocols protocols[3];
    lws_sorted_usec_list_t alarm;
    int listening, spare, port;
    int connection_limit;
    size_t message_limit;
    atomic_int is_stopped;
    uint8_t piece[LWS_PRE + CONTROL_PIECE_BYTE_COUNT];
};

/// libwebsockets' callback of both protocols.
int cws_control_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t byte_count);

/// Takes the connections that wait on the listening socket.
void cws_control_accept(struct cws_hub *hub);

/// The connection is over: tells the owner and frees it.
void cws_control_forget(struct cws_link *link);

/// A request has arrived; what libwebsockets' callback is to return.
int cws_control_request(struct cws_link *link);

/// The page can go on; what libwebsockets' callback is to return.
int cws_control_write_page(struct cws_link *link);

/// Says why a connection ends, unless that is known already.
void cws_control_explain(struct cws_link *link, const char *reason);

#endif
