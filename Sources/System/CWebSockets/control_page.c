#define _GNU_SOURCE
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cws_control_request(struct cws_link *link) {
    const struct cws_functions *lws = link->hub->lws;
    char *uri = NULL;
    int uri_length = 0;
    int method = lws->lws_http_get_uri_and_method(link->wsi, &uri, &uri_length);
    if (method < 0 || uri == NULL) return -1;
    char path[512], query[2048] = "";
    snprintf(path, sizeof path, "%.*s", uri_length, uri);
    int place = 0;
    for (int index = 0;; index++) {
        char part[1536];
        int count = lws->lws_hdr_copy_fragment(link->wsi, part, sizeof part, WSI_TOKEN_HTTP_URI_ARGS, index);
        if (count <= 0 || place + count + 2 > (int)sizeof query) break;
        place += snprintf(query + place, sizeof query - (size_t)place, "%s%s", place > 0 ? "&" : "", part);
    }
    if (method != LWSHUMETH_GET) {
        static const char only[] = "{\"error\":\"only GET is served here\"}\n";
        cws_link_answer(link, 405, "application/json", (const uint8_t *)only, sizeof only - 1);
        return 0;
    }
    link->hub->handler.requested(link->owner, link->number, path, query);
    return 0;
}

void cws_link_answer(struct cws_link *link, int status, const char *content_type, const uint8_t *body,
                     size_t byte_count) {
    const struct cws_functions *lws = link->hub->lws;
    if (link->wsi == NULL || link->body != NULL) return;
    unsigned char head[LWS_PRE + 1024];
    unsigned char *start = head + LWS_PRE, *place = start, *end = head + sizeof head;
    char count[24];
    snprintf(count, sizeof count, "%zu", byte_count);
    const char *headers[][2] = {
        {"content-type:", content_type},
        {"cache-control:", "no-store"},
        {"content-length:", count},
    };
    link->body = malloc(byte_count + 1);
    if (link->body == NULL || lws->lws_add_http_header_status(link->wsi, (unsigned int)status, &place, end))
        return cws_link_abort(link);
    for (size_t index = 0; index < sizeof headers / sizeof *headers; index++)
        if (lws->lws_add_http_header_by_name(link->wsi, (const unsigned char *)headers[index][0],
                                             (const unsigned char *)headers[index][1],
                                             (int)strlen(headers[index][1]), &place, end))
            return cws_link_abort(link);
    if (byte_count > 0) memcpy(link->body, body, byte_count);
    link->body_byte_count = byte_count;
    link->body_sent = 0;
    if (lws->lws_finalize_write_http_header(link->wsi, start, &place, end)) return cws_link_abort(link);
    lws->lws_set_timeout(link->wsi, PENDING_TIMEOUT_HTTP_CONTENT, CONTROL_HANDSHAKE_SECONDS);
    lws->lws_callback_on_writable(link->wsi);
}

int cws_control_write_page(struct cws_link *link) {
    const struct cws_functions *lws = link->hub->lws;
    if (link->is_aborted) return -1;
    if (link->body == NULL) return 0;
    size_t left = link->body_byte_count - link->body_sent;
    size_t count = left < CONTROL_PIECE_BYTE_COUNT ? left : CONTROL_PIECE_BYTE_COUNT;
    int is_last = count == left;
    unsigned char *piece = link->hub->piece + LWS_PRE;
    memcpy(piece, link->body + link->body_sent, count);
    link->body_sent += count;
    enum lws_write_protocol how = is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP;
    if (lws->lws_write(link->wsi, piece, count, how) < (int)count) return -1;
    if (!is_last) {
        lws->lws_set_timeout(link->wsi, PENDING_TIMEOUT_HTTP_CONTENT, CONTROL_HANDSHAKE_SECONDS);
        lws->lws_callback_on_writable(link->wsi);
        return 0;
    }
    free(link->body);
    link->body = NULL;
    return lws->lws_http_transaction_completed(link->wsi) ? -1 : 0;
}
