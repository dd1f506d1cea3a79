// libwebsockets' functions, under their own names, once it is loaded.
#ifndef CWEBSOCKETS_LIBRARY_H
#define CWEBSOCKETS_LIBRARY_H

#include <libwebsockets.h>

#define CWS_FUNCTIONS(F) \
    F(lws_add_http_header_by_name) \
    F(lws_add_http_header_status) \
    F(lws_adopt_descriptor_vhost) \
    F(lws_adopt_descriptor_vhost_via_info) \
    F(lws_callback_on_writable) \
    F(lws_cancel_service) \
    F(lws_client_connect_via_info) \
    F(lws_close_reason) \
    F(lws_context_destroy) \
    F(lws_context_user) \
    F(lws_create_context) \
    F(lws_create_vhost) \
    F(lws_finalize_write_http_header) \
    F(lws_frame_is_binary) \
    F(lws_get_context) \
    F(lws_get_network_wsi) \
    F(lws_get_opaque_user_data) \
    F(lws_get_protocol) \
    F(lws_hdr_copy) \
    F(lws_hdr_copy_fragment) \
    F(lws_http_get_uri_and_method) \
    F(lws_http_transaction_completed) \
    F(lws_is_final_fragment) \
    F(lws_remaining_packet_payload) \
    F(lws_rx_flow_control) \
    F(lws_service) \
    F(lws_set_log_level) \
    F(lws_set_timeout) \
    F(lws_sul_schedule) \
    F(lws_tls_peer_cert_info) \
    F(lws_write)

#define CWS_FIELD(name) __typeof__(name) *name;

struct cws_functions {
    CWS_FUNCTIONS(CWS_FIELD)
};

/// The table, loading the library at the first call; NULL when it is missing or too old: `message` then tells. May be
/// called from any thread.
const struct cws_functions *cws_load(char *message, size_t capacity);

#endif
