#define _GNU_SOURCE
#include "cwebsockets.h"
#include "library.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    // Bytes written to a client at once: 174 packets of 188 bytes. What the kernel does not take of them is kept.
    PIECE_BYTE_COUNT = 174 * 188,
    // The kernel's buffer for one client, so that one who does not read costs no more.
    SEND_BUFFER_BYTE_COUNT = 256 * 1024,
    // "00xxxx\r\n" in front of a chunk and "\r\n" behind it (RFC 9112 section 7.1).
    CHUNK_HEAD = 8,
    CHUNK_TAIL = 2,
    // How long a request may take to arrive.
    REQUEST_SECONDS = 5,
    // How long a client may take no byte while there are some for it.
    STALL_SECONDS = 30,
};

/// One connection, while a request is being answered.
struct session {
    struct session *next;
    struct session **link;
    struct lws *wsi;
    uint8_t *body;
    size_t body_byte_count;
    size_t sent;
    uint64_t stream;
    int is_chunked;
    int is_multiplexed;
    int is_waiting;
};

struct cws_server {
    const struct cws_functions *lws;
    struct cws_handler handler;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws *listener;
    struct session *streaming;
    struct lws_protocols protocols[2];
    int listening;
    int spare;
    int port;
    int connection_count;
    int connection_limit;
    atomic_int is_stopped;
    uint8_t piece[LWS_PRE + CHUNK_HEAD + PIECE_BYTE_COUNT + CHUNK_TAIL];
};

void cws_set_body(struct cws_answer *answer, const uint8_t *body, size_t byte_count) {
    uint8_t *copy = byte_count > 0 ? malloc(byte_count) : NULL;
    if (copy != NULL) memcpy(copy, body, byte_count);
    answer->body = copy;
    answer->body_byte_count = copy != NULL ? byte_count : 0;
}

static void forget_body(struct session *session) {
    free(session->body);
    session->body = NULL;
}

static void close_stream(struct cws_server *server, struct session *session) {
    forget_body(session);
    if (session->stream == 0) return;
    uint64_t stream = session->stream;
    session->stream = 0;
    *session->link = session->next;
    if (session->next != NULL) session->next->link = session->link;
    server->handler.closed(server->handler.owner, stream);
}

static int add_header(struct cws_server *server, struct lws *wsi, const char *name, const char *value,
                      unsigned char **place, unsigned char *end) {
    return server->lws->lws_add_http_header_by_name(
        wsi, (const unsigned char *)name, (const unsigned char *)value, (int)strlen(value), place, end);
}

static int write_head(struct cws_server *server, struct session *session, const struct cws_answer *answer) {
    const struct cws_functions *lws = server->lws;
    struct lws *wsi = session->wsi;
    unsigned char head[LWS_PRE + 1024];
    unsigned char *start = head + LWS_PRE, *place = start, *end = head + sizeof head;
    if (lws->lws_add_http_header_status(wsi, (unsigned int)answer->status, &place, end)) return -1;
    int failed = add_header(server, wsi, "content-type:", answer->content_type, &place, end) ||
        add_header(server, wsi, "access-control-allow-origin:", "*", &place, end) ||
        add_header(server, wsi, "access-control-allow-methods:", "GET, HEAD, OPTIONS", &place, end) ||
        add_header(server, wsi, "access-control-allow-headers:", "*", &place, end) ||
        add_header(server, wsi, "cache-control:", "no-store", &place, end);
    if (answer->status == 405) failed = failed || add_header(server, wsi, "allow:", "GET, HEAD, OPTIONS", &place, end);
    if (answer->stream == 0 && answer->status != 204) {
        char count[24];
        snprintf(count, sizeof count, "%zu", answer->body_byte_count);
        failed = failed || add_header(server, wsi, "content-length:", count, &place, end);
    } else if (answer->stream != 0 && session->is_chunked) {
        failed = failed || add_header(server, wsi, "transfer-encoding:", "chunked", &place, end);
    } else if (answer->stream != 0 && !session->is_multiplexed) {
        failed = failed || add_header(server, wsi, "connection:", "close", &place, end);
    }
    if (failed) return -1;
    return lws->lws_finalize_write_http_header(wsi, start, &place, end);
}

/// Ends the answer; the connection goes on with the next request, or is closed.
static int complete(struct cws_server *server, struct session *session, int must_close) {
    close_stream(server, session);
    server->lws->lws_set_timeout(session->wsi, NO_PENDING_TIMEOUT, 0);
    if (must_close) return -1;
    return server->lws->lws_http_transaction_completed(session->wsi) ? -1 : 0;
}

static int answer(struct cws_server *server, struct session *session, struct lws *wsi) {
    static const struct { int lws; enum cws_method method; } methods[] = {
        {LWSHUMETH_GET, CWS_GET}, {LWSHUMETH_HEAD, CWS_HEAD}, {LWSHUMETH_OPTIONS, CWS_OPTIONS}};
    const struct cws_functions *lws = server->lws;
    close_stream(server, session);
    memset(session, 0, sizeof *session);
    session->wsi = wsi;
    char *uri = NULL;
    int uri_length = 0;
    int number = lws->lws_http_get_uri_and_method(wsi, &uri, &uri_length);
    if (number < 0 || uri == NULL) return -1;
    char path[512];
    snprintf(path, sizeof path, "%.*s", uri_length, uri);
    struct cws_request request = {.method = CWS_OTHER, .path = path};
    for (size_t index = 0; index < sizeof methods / sizeof *methods; index++)
        if (methods[index].lws == number) request.method = methods[index].method;

    char version[16] = "";
    lws->lws_hdr_copy(wsi, version, sizeof version, WSI_TOKEN_HTTP);
    session->is_multiplexed = lws->lws_get_network_wsi(wsi) != wsi;
    session->is_chunked = !session->is_multiplexed && strcmp(version, "HTTP/1.1") == 0;

    struct cws_answer answer = {.status = 500, .content_type = "text/plain"};
    server->handler.answer(server->handler.owner, &request, &answer);
    if (answer.stream != 0) {
        session->stream = answer.stream;
        session->next = server->streaming;
        session->link = &server->streaming;
        if (session->next != NULL) session->next->link = &session->next;
        server->streaming = session;
    } else {
        session->body = answer.body;
        session->body_byte_count = answer.body_byte_count;
    }
    if (write_head(server, session, &answer)) return -1;
    int has_body = session->stream != 0 || session->body != NULL;
    if (request.method == CWS_HEAD || !has_body) {
        // An answer without a length that was not chunked is over when the connection is.
        return complete(server, session, answer.stream != 0 && !session->is_chunked);
    }
    lws->lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, STALL_SECONDS);
    lws->lws_callback_on_writable(wsi);
    return 0;
}

static int write_body(struct cws_server *server, struct session *session) {
    size_t left = session->body_byte_count - session->sent;
    size_t count = left < PIECE_BYTE_COUNT ? left : PIECE_BYTE_COUNT;
    unsigned char *piece = server->piece + LWS_PRE;
    memcpy(piece, session->body + session->sent, count);
    session->sent += count;
    int is_last = session->sent == session->body_byte_count;
    enum lws_write_protocol how = is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP;
    if (server->lws->lws_write(session->wsi, piece, count, how) != (int)count) return -1;
    if (is_last) return complete(server, session, 0);
    server->lws->lws_set_timeout(session->wsi, PENDING_TIMEOUT_HTTP_CONTENT, STALL_SECONDS);
    server->lws->lws_callback_on_writable(session->wsi);
    return 0;
}

static int write_end(struct cws_server *server, struct session *session) {
    unsigned char *piece = server->piece + LWS_PRE;
    size_t count = 0;
    if (session->is_chunked) {
        memcpy(piece, "0\r\n\r\n", 5);
        count = 5;
    }
    if (session->is_chunked || session->is_multiplexed) {
        int written = server->lws->lws_write(session->wsi, piece, count, LWS_WRITE_HTTP_FINAL);
        if (written < (int)count) return -1;
    }
    return complete(server, session, !session->is_chunked && !session->is_multiplexed);
}

static int write_stream(struct cws_server *server, struct session *session) {
    const struct cws_functions *lws = server->lws;
    unsigned char *head = server->piece + LWS_PRE;
    unsigned char *bytes = head + CHUNK_HEAD;
    ptrdiff_t count = server->handler.read(server->handler.owner, session->stream, bytes, PIECE_BYTE_COUNT);
    session->is_waiting = count == CWS_LATER;
    if (count == CWS_END) return write_end(server, session);
    if (count == CWS_LATER) {
        lws->lws_set_timeout(session->wsi, NO_PENDING_TIMEOUT, 0);
        return 0;
    }
    int written;
    if (session->is_chunked) {
        char size[CHUNK_HEAD + 1];
        snprintf(size, sizeof size, "%06zx\r\n", (size_t)count);
        memcpy(head, size, CHUNK_HEAD);
        memcpy(bytes + count, "\r\n", CHUNK_TAIL);
        written = lws->lws_write(session->wsi, head, CHUNK_HEAD + (size_t)count + CHUNK_TAIL, LWS_WRITE_HTTP);
    } else {
        written = lws->lws_write(session->wsi, bytes, (size_t)count, LWS_WRITE_HTTP);
    }
    if (written < (int)count) return -1;
    lws->lws_set_timeout(session->wsi, PENDING_TIMEOUT_HTTP_CONTENT, STALL_SECONDS);
    lws->lws_callback_on_writable(session->wsi);
    return 0;
}

/// Takes the connections that wait. With no descriptor left, one is given up to refuse them: otherwise they would wake
/// the loop for ever.
static void accept_connections(struct cws_server *server) {
    for (;;) {
        int connection = accept4(server->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (connection < 0 && (errno == EMFILE || errno == ENFILE)) {
            close(server->spare);
            connection = accept4(server->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (connection >= 0) close(connection);
            server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
            return;
        }
        if (connection < 0) return;
        if (server->connection_count >= server->connection_limit) {
            close(connection);
            continue;
        }
        int size = SEND_BUFFER_BYTE_COUNT;
        setsockopt(connection, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        lws_sock_file_fd_type descriptor = {.sockfd = connection};
        // A socket that is not taken over is closed by the library.
        server->lws->lws_adopt_descriptor_vhost(
            server->vhost, LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP, descriptor, NULL, NULL);
    }
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length) {
    (void)in;
    (void)length;
    // The library also asks before it has a table of its own calls to be asked with.
    char ignored[8];
    const struct cws_functions *lws = cws_load(ignored, sizeof ignored);
    struct lws_context *context = lws != NULL && wsi != NULL ? lws->lws_get_context(wsi) : NULL;
    struct cws_server *server = context != NULL ? lws->lws_context_user(context) : NULL;
    struct session *session = user;
    if (server == NULL) return 0;
    switch (reason) {
    case LWS_CALLBACK_RAW_RX_FILE:
        accept_connections(server);
        return 0;
    case LWS_CALLBACK_WSI_CREATE:
        server->connection_count++;
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        server->connection_count--;
        return 0;
    case LWS_CALLBACK_HTTP:
        return answer(server, session, wsi);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        if (session == NULL) return 0;
        if (session->stream != 0) return write_stream(server, session);
        if (session->body != NULL) return write_body(server, session);
        return 0;
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED_HTTP:
        if (session != NULL) close_stream(server, session);
        return 0;
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        for (struct session *each = server->streaming; each != NULL; each = each->next) {
            if (!each->is_waiting) continue;
            each->is_waiting = 0;
            lws->lws_callback_on_writable(each->wsi);
        }
        return 0;
    default:
        return 0;
    }
}

static int listen_on(struct cws_server *server, const char *address, int port) {
    struct sockaddr_in6 place6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct sockaddr_in place4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int is6 = strchr(address, ':') != NULL;
    int is_read = is6 ? inet_pton(AF_INET6, address, &place6.sin6_addr)
                      : inet_pton(AF_INET, address, &place4.sin_addr);
    if (is_read != 1) return EINVAL;
    struct sockaddr *place = is6 ? (struct sockaddr *)&place6 : (struct sockaddr *)&place4;
    socklen_t size = is6 ? sizeof place6 : sizeof place4;
    server->listening = socket(place->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->listening < 0) return errno;
    int yes = 1;
    setsockopt(server->listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(server->listening, place, size) < 0 || listen(server->listening, 64) < 0 ||
        getsockname(server->listening, place, &size) < 0)
        return errno;
    server->port = ntohs(is6 ? place6.sin6_port : place4.sin_port);
    return 0;
}

static int begin(struct cws_server *server, int connection_limit) {
    struct lws_context_creation_info info = {0};
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = server->protocols;
    info.user = server;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    info.fd_limit_per_thread = (unsigned int)connection_limit + 16;
    info.max_http_header_pool = (unsigned short)connection_limit;
    info.timeout_secs = REQUEST_SECONDS;
    info.keepalive_timeout = REQUEST_SECONDS;
    info.gid = -1;
    info.uid = -1;
    // The library sets signals up as it likes; they are the program's.
    struct sigaction on_pipe, on_abort;
    sigset_t blocked;
    sigaction(SIGPIPE, NULL, &on_pipe);
    sigaction(SIGABRT, NULL, &on_abort);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    server->context = server->lws->lws_create_context(&info);
    sigaction(SIGPIPE, &on_pipe, NULL);
    sigaction(SIGABRT, &on_abort, NULL);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    if (server->context == NULL) return -1;
    server->vhost = server->lws->lws_create_vhost(server->context, &info);
    if (server->vhost == NULL) return -1;
    lws_sock_file_fd_type descriptor = {.filefd = server->listening};
    server->listener = server->lws->lws_adopt_descriptor_vhost(
        server->vhost, LWS_ADOPT_RAW_FILE_DESC, descriptor, server->protocols[0].name, NULL);
    return server->listener == NULL ? -1 : 0;
}

struct cws_server *cws_open(const char *address, int port, int connection_limit, struct cws_handler handler,
                            int *code, char *message, size_t capacity) {
    *code = 0;
    const struct cws_functions *lws = cws_load(message, capacity);
    if (lws == NULL) return NULL;
    struct cws_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        *code = ENOMEM;
        return NULL;
    }
    server->lws = lws;
    server->handler = handler;
    server->connection_limit = connection_limit;
    server->protocols[0].name = "http";
    server->protocols[0].callback = callback;
    server->protocols[0].per_session_data_size = sizeof(struct session);
    server->listening = -1;
    server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    *code = listen_on(server, address, port);
    if (*code == 0 && begin(server, connection_limit) == 0) return server;
    if (*code == 0) snprintf(message, capacity, "libwebsockets cannot start a server");
    cws_close(server);
    return NULL;
}

int cws_port(const struct cws_server *server) { return server->port; }

void cws_run(struct cws_server *server) {
    while (!atomic_load(&server->is_stopped) && server->lws->lws_service(server->context, 0) >= 0) {
    }
}

void cws_wake(struct cws_server *server) { server->lws->lws_cancel_service(server->context); }

void cws_stop(struct cws_server *server) {
    atomic_store(&server->is_stopped, 1);
    server->lws->lws_cancel_service(server->context);
}

void cws_close(struct cws_server *server) {
    int is_adopted = server->listener != NULL;
    if (server->context != NULL) server->lws->lws_context_destroy(server->context);
    if (!is_adopted && server->listening >= 0) close(server->listening);
    if (server->spare >= 0) close(server->spare);
    free(server);
}
