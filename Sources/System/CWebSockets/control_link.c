#define _GNU_SOURCE
#include "control.h"
#include "ccertificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// RFC 6455 section 7.4.1.
enum { STATUS_UNACCEPTABLE = 1003, STATUS_POLICY = 1008, STATUS_TOO_BIG = 1009 };

void cws_control_explain(struct cws_link *link, const char *reason) {
    if (link->reason[0] == 0) snprintf(link->reason, sizeof link->reason, "%s", reason);
}

void cws_control_forget(struct cws_link *link) {
    if (link->is_making) {
        link->is_gone = 1;
        return;
    }
    if (link->reason[0] == 0)
        cws_control_explain(link, link->is_open ? "the connection broke" : "the connection could not be made");
    if (link->number != 0) link->hub->handler.closed(link->owner, link->number, link->ending, link->reason);
    free(link->message);
    free(link->body);
    free(link);
}

void cws_link_wants_to_send(struct cws_link *link) {
    if (link->wsi != NULL) link->hub->lws->lws_callback_on_writable(link->wsi);
}

void cws_link_pause(struct cws_link *link, int is_paused) {
    if (link->wsi != NULL) link->hub->lws->lws_rx_flow_control(link->wsi, is_paused ? 0 : 1);
}

void cws_link_set_reason(struct cws_link *link, int status, const char *reason) {
    link->close_status = status;
    snprintf(link->reason, 124, "%s", reason);
}

void cws_link_abort(struct cws_link *link) {
    link->is_aborted = 1;
    if (link->wsi != NULL) link->hub->lws->lws_set_timeout(link->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

/// Ends the WebSocket with a goodbye; what the callback is to return.
static int refuse(struct cws_link *link, int status, const char *reason) {
    cws_link_set_reason(link, status, reason);
    link->hub->lws->lws_close_reason(
        link->wsi, (enum lws_close_status)status, (unsigned char *)link->reason, strlen(link->reason));
    return -1;
}

/// Whether the server holds the pinned key. Called when TLS is up and nothing of ours has been sent.
static int check_pin(struct cws_link *link) {
    if (!link->has_pin) return 0;
    struct {
        union lws_tls_cert_info_results result;
        char more[4096];
    } info;
    memset(&info, 0, sizeof info);
    size_t room = sizeof info - offsetof(union lws_tls_cert_info_results, ns.name);
    uint8_t digest[32];
    if (link->hub->lws->lws_tls_peer_cert_info(
            link->wsi, LWS_TLS_CERT_INFO_OPAQUE_PUBLIC_KEY, &info.result, room) == 0 &&
        cws_sha256((const uint8_t *)info.result.ns.name, (size_t)info.result.ns.len, digest) == 0 &&
        memcmp(digest, link->pin, sizeof digest) == 0)
        return 0;
    link->ending = CWS_REFUSED;
    link->reason[0] = 0;
    cws_control_explain(
        link, "the server's key is not the one that the URL pins; ask who runs the stream for its URL of today");
    return -1;
}

static int receive(struct cws_link *link, const uint8_t *bytes, size_t byte_count) {
    struct cws_hub *hub = link->hub;
    const struct cws_functions *lws = hub->lws;
    if (lws->lws_frame_is_binary(link->wsi)) return refuse(link, STATUS_UNACCEPTABLE, "a message must be text");
    int is_whole = lws->lws_remaining_packet_payload(link->wsi) == 0 && lws->lws_is_final_fragment(link->wsi);
    if (link->message_byte_count == 0 && is_whole) {
        hub->handler.received(link->owner, link->number, bytes, byte_count);
        return link->is_aborted ? -1 : 0;
    }
    size_t wanted = link->message_byte_count + byte_count;
    if (wanted > hub->message_limit) {
        char reason[64];
        snprintf(reason, sizeof reason, "a message is longer than %zu bytes", hub->message_limit);
        return refuse(link, STATUS_TOO_BIG, reason);
    }
    if (wanted > link->message_capacity) {
        size_t capacity = link->message_capacity < 4096 ? 4096 : link->message_capacity;
        while (capacity < wanted) capacity *= 2;
        uint8_t *longer = realloc(link->message, capacity);
        if (longer == NULL) return refuse(link, STATUS_POLICY, "there is no memory for a message");
        link->message = longer;
        link->message_capacity = capacity;
    }
    memcpy(link->message + link->message_byte_count, bytes, byte_count);
    link->message_byte_count = wanted;
    if (!is_whole) return 0;
    link->message_byte_count = 0;
    hub->handler.received(link->owner, link->number, link->message, wanted);
    if (link->message_capacity > 16 * 1024) {
        free(link->message);
        link->message = NULL;
        link->message_capacity = 0;
    }
    return link->is_aborted ? -1 : 0;
}

static int send_next(struct cws_link *link) {
    struct cws_hub *hub = link->hub;
    uint8_t *piece = hub->piece + LWS_PRE;
    int is_last = 1;
    ptrdiff_t count = hub->handler.fill(link->owner, link->number, piece, CONTROL_PIECE_BYTE_COUNT, &is_last);
    if (count == CWS_NOTHING) return 0;
    if (count == CWS_CLOSE) {
        int status = link->close_status == 0 ? 1000 : link->close_status;
        hub->lws->lws_close_reason(
            link->wsi, (enum lws_close_status)status, (unsigned char *)link->reason, strlen(link->reason));
        return -1;
    }
    int how = link->is_continuing ? LWS_WRITE_CONTINUATION : LWS_WRITE_TEXT;
    if (!is_last) how |= LWS_WRITE_NO_FIN;
    link->is_continuing = !is_last;
    if (hub->lws->lws_write(link->wsi, piece, (size_t)count, (enum lws_write_protocol)how) < (int)count) return -1;
    hub->lws->lws_callback_on_writable(link->wsi);
    return 0;
}

/// What the other side said when it closed: a status and a reason.
static void note_goodbye(struct cws_link *link, const uint8_t *bytes, size_t byte_count) {
    if (byte_count < 2) return cws_control_explain(link, "the other side closed the connection");
    int status = bytes[0] << 8 | bytes[1];
    if (status == STATUS_UNACCEPTABLE || status == STATUS_POLICY || status == STATUS_TOO_BIG) link->ending = CWS_REFUSED;
    char reason[128];
    snprintf(reason, sizeof reason, "%.*s", (int)(byte_count - 2), (const char *)bytes + 2);
    // It is shown to people: what is not plain text is not.
    for (char *each = reason; *each != 0; each++)
        if ((unsigned char)*each < 0x20 || *each == 0x7F) *each = '?';
    cws_control_explain(link, reason[0] != 0 ? reason : "the other side closed the connection");
}

static int open_link(struct cws_link *link) {
    const struct lws_protocols *protocol = link->hub->lws->lws_get_protocol(link->wsi);
    if (protocol == NULL || protocol != NULL && strcmp(protocol->name, "http") == 0)
        return refuse(link, STATUS_POLICY, "the subprotocol must be freshet.v1");
    link->is_open = 1;
    link->hub->handler.opened(link->owner, link->number);
    return link->is_aborted ? -1 : 0;
}

static int on_link(struct cws_link *link, enum lws_callback_reasons reason, void *in, size_t byte_count) {
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return check_pin(link);
    case LWS_CALLBACK_CLIENT_HTTP_REDIRECT:
        cws_control_explain(link, "the server sends us elsewhere, which a coordinator does not");
        return -1;
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        return open_link(link);
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return link->is_open ? receive(link, in, byte_count) : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        if (link->is_aborted) return -1;
        return link->is_open ? send_next(link) : 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        note_goodbye(link, in, byte_count);
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        if (in != NULL) cws_control_explain(link, in);
        return 0;
    case LWS_CALLBACK_HTTP:
        return cws_control_request(link);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return cws_control_write_page(link);
    default:
        return 0;
    }
}

int cws_control_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t byte_count) {
    (void)user;
    // The library also asks before it has a table of its own calls to be asked with.
    char ignored[8];
    const struct cws_functions *lws = cws_load(ignored, sizeof ignored);
    struct lws_context *context = lws != NULL && wsi != NULL ? lws->lws_get_context(wsi) : NULL;
    struct cws_hub *hub = context != NULL ? lws->lws_context_user(context) : NULL;
    if (hub == NULL) return 0;
    if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED) {
        // Every protocol of every vhost is told: once is enough.
        const struct lws_protocols *protocol = lws->lws_get_protocol(wsi);
        if (protocol == NULL || protocol->name == hub->protocols[0].name) hub->handler.woken(hub->owner);
        return 0;
    }
    if (reason == LWS_CALLBACK_RAW_RX_FILE) {
        cws_control_accept(hub);
        return 0;
    }
    struct cws_link *link = lws->lws_get_opaque_user_data(wsi);
    if (link == NULL) return 0;
    if (reason == LWS_CALLBACK_WSI_DESTROY) {
        cws_control_forget(link);
        return 0;
    }
    link->wsi = wsi;
    return on_link(link, reason, in, byte_count);
}
