#define _GNU_SOURCE
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    // A hub for fewer looks through its table.
    FEW_CONNECTIONS = 128,
    // Descriptors of the process that are no connections.
    SPARE_DESCRIPTORS = 4096,
};

static const char subprotocol[] = "freshet.v1";

/// The library's own pings and time-outs of silent connections are off: each would be a timer in one sorted list. The
/// kernel's keep-alive finds dead ones.
static const lws_retry_bo_t no_pings = {0};

static void set_keepalive(int connection) {
    int yes = 1, idle = 20, interval = 5, count = 4, size = CONTROL_SOCKET_BYTE_COUNT;
    setsockopt(connection, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    setsockopt(connection, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(connection, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(connection, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(connection, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static void turn_away(int connection) {
    // A reset: whoever opens thousands leaves nothing behind here.
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(connection);
}

static void accept_one(struct cws_hub *hub, int connection, const struct sockaddr *address) {
    struct cws_link *link = calloc(1, sizeof *link);
    if (link == NULL) return turn_away(connection);
    link->hub = hub;
    link->owner = hub->listening_owner;
    link->number = hub->handler.arrived(link->owner, link, address);
    if (link->number == 0) {
        free(link);
        return turn_away(connection);
    }
    set_keepalive(connection);
    link->is_making = 1;
    lws_adopt_desc_t how = {
        .vh = hub->serving,
        .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | LWS_ADOPT_ALLOW_SSL,
        .fd = {.sockfd = connection},
        .opaque = link,
    };
    // A socket that is not taken over is closed by the library.
    struct lws *wsi = hub->lws->lws_adopt_descriptor_vhost_via_info(&how);
    link->is_making = 0;
    if (wsi == NULL || link->is_gone) return cws_control_forget(link);
    link->wsi = wsi;
}

/// With no descriptor left, one is given up to refuse connections: otherwise they would wake the loop for ever.
void cws_control_accept(struct cws_hub *hub) {
    for (int count = 0; count < 64; count++) {
        struct sockaddr_storage place;
        struct sockaddr *address = (struct sockaddr *)&place;
        socklen_t size = sizeof place;
        int connection = accept4(hub->listening, address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (connection < 0 && (errno == EMFILE || errno == ENFILE)) {
            close(hub->spare);
            connection = accept4(hub->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (connection >= 0) turn_away(connection);
            hub->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
            continue;
        }
        if (connection < 0) return;
        accept_one(hub, connection, address);
    }
}

/// The library finds a connection by its descriptor in a table as long as the process may have descriptors, or, told to
/// make a shorter one, by looking through it. The table must be long enough, and not a million entries: so the limit is
/// raised for good where it is too low, and lowered while the table is made. What the limit is to be afterwards.
static struct rlimit fit_descriptor_limit(struct lws_context_creation_info *info) {
    struct rlimit limit = {0}, wanted;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (info->fd_limit_per_thread < FEW_CONNECTIONS) return limit;
    wanted = limit;
    wanted.rlim_cur = info->fd_limit_per_thread + SPARE_DESCRIPTORS;
    if (wanted.rlim_cur > limit.rlim_max) wanted.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &wanted);
    if (limit.rlim_cur < wanted.rlim_cur) limit = wanted;
    info->fd_limit_per_thread = 0;
    return limit;
}

// The library sets signals up as it likes; they are the program's. And each time that it is told to prepare TLS for the
// process it numbers anew what it keeps with every connection, so that those of other contexts are lost: once is right.
// (It then does not free a later context's TLS settings, some KB: a process has one or two.)
static struct lws_context *create_context(
    const struct cws_functions *lws, struct lws_context_creation_info *info) {
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    static int is_prepared;
    pthread_mutex_lock(&one_at_a_time);
    if (is_prepared) info->options &= ~(uint64_t)LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    is_prepared = 1;
    struct rlimit limit = fit_descriptor_limit(info);
    struct sigaction on_pipe, on_abort;
    sigset_t blocked;
    sigaction(SIGPIPE, NULL, &on_pipe);
    sigaction(SIGABRT, NULL, &on_abort);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    struct lws_context *context = lws->lws_create_context(info);
    setrlimit(RLIMIT_NOFILE, &limit);
    sigaction(SIGPIPE, &on_pipe, NULL);
    sigaction(SIGABRT, &on_abort, NULL);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    pthread_mutex_unlock(&one_at_a_time);
    return context;
}

static struct lws_context_creation_info creation_info(struct cws_hub *hub) {
    struct lws_context_creation_info info = {0};
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = hub->protocols;
    info.user = hub;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.fd_limit_per_thread = (unsigned int)hub->connection_limit + 16;
    info.max_http_header_pool = (unsigned short)(hub->connection_limit < 60000 ? hub->connection_limit : 60000);
    info.timeout_secs = CONTROL_HANDSHAKE_SECONDS;
    info.keepalive_timeout = CONTROL_HANDSHAKE_SECONDS;
    info.connect_timeout_secs = CONTROL_HANDSHAKE_SECONDS;
    info.retry_and_idle_policy = &no_pings;
    info.alpn = "http/1.1";
    info.gid = -1;
    info.uid = -1;
    return info;
}

/// Connections with a pin need no authorities, whose certificates cost time and memory.
static struct lws_vhost *client_vhost(struct cws_hub *hub, struct lws_vhost **vhost, uint64_t options) {
    if (*vhost == NULL) {
        struct lws_context_creation_info info = creation_info(hub);
        info.vhost_name = options == 0 ? "trusting" : "pinning";
        info.options |= options;
        *vhost = hub->lws->lws_create_vhost(hub->context, &info);
    }
    return *vhost;
}

struct cws_hub *cws_hub_open(int connection_limit, size_t message_limit, struct cws_hub_handler handler, void *owner,
                             char *message, size_t capacity) {
    const struct cws_functions *lws = cws_load(message, capacity);
    if (lws == NULL) return NULL;
    struct cws_hub *hub = calloc(1, sizeof *hub);
    if (hub == NULL) {
        snprintf(message, capacity, "there is no memory for the control channel");
        return NULL;
    }
    hub->lws = lws;
    hub->handler = handler;
    hub->owner = owner;
    hub->connection_limit = connection_limit;
    hub->message_limit = message_limit;
    hub->listening = -1;
    hub->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    hub->protocols[0].name = "http";
    hub->protocols[0].callback = cws_control_callback;
    hub->protocols[1].name = subprotocol;
    hub->protocols[1].callback = cws_control_callback;
    // Most messages fit; a longer one is put together. The library keeps so much for every connection.
    hub->protocols[1].rx_buffer_size = 1024;
    struct lws_context_creation_info info = creation_info(hub);
    hub->context = create_context(lws, &info);
    // A hub without any vhost cannot be woken.
    if (hub->context != NULL && client_vhost(hub, &hub->pinning, LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS) != NULL)
        return hub;
    snprintf(message, capacity, "libwebsockets cannot start");
    cws_hub_close(hub);
    return NULL;
}

int cws_hub_listen(struct cws_hub *hub, const struct sockaddr *address, socklen_t address_byte_count,
                   const char *certificate, const char *key, void *owner, char *message, size_t capacity) {
    hub->listening_owner = owner;
    hub->listening = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (hub->listening < 0) return errno;
    int yes = 1;
    setsockopt(hub->listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(hub->listening, address, address_byte_count) < 0 || listen(hub->listening, 4096) < 0) return errno;
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    if (getsockname(hub->listening, (struct sockaddr *)&bound, &size) < 0) return errno;
    hub->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                  : ((struct sockaddr_in *)&bound)->sin_port);
    struct lws_context_creation_info info = creation_info(hub);
    info.vhost_name = "serving";
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.ssl_cert_filepath = certificate;
    info.ssl_private_key_filepath = key;
    hub->serving = hub->lws->lws_create_vhost(hub->context, &info);
    if (hub->serving == NULL) {
        snprintf(message, capacity, "libwebsockets cannot use the certificate %s with the key %s", certificate, key);
        return -1;
    }
    lws_sock_file_fd_type descriptor = {.filefd = hub->listening};
    hub->listener = hub->lws->lws_adopt_descriptor_vhost(
        hub->serving, LWS_ADOPT_RAW_FILE_DESC, descriptor, hub->protocols[0].name, NULL);
    if (hub->listener != NULL) return 0;
    snprintf(message, capacity, "libwebsockets cannot watch the listening socket");
    return -1;
}

int cws_hub_port(const struct cws_hub *hub) { return hub->port; }

struct cws_link *cws_hub_connect(struct cws_hub *hub, const struct cws_place *place, uint32_t number, void *owner) {
    struct cws_link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        hub->handler.closed(owner, number, CWS_BROKEN, "there is no memory for a connection");
        return NULL;
    }
    link->hub = hub;
    link->owner = owner;
    link->number = number;
    link->is_client = 1;
    struct lws_client_connect_info info = {0};
    info.context = hub->context;
    info.vhost = place->pin != NULL ? hub->pinning : client_vhost(hub, &hub->trusting, 0);
    info.address = place->host;
    info.port = place->port;
    info.path = "/control";
    info.host = place->host;
    info.origin = NULL;
    info.protocol = subprotocol;
    info.local_protocol_name = subprotocol;
    info.alpn = "http/1.1";
    info.iface = place->from;
    info.opaque_user_data = link;
    info.retry_and_idle_policy = &no_pings;
    info.ssl_connection = LCCSCF_USE_SSL;
    if (place->pin != NULL) {
        link->has_pin = 1;
        memcpy(link->pin, place->pin, sizeof link->pin);
        // Who holds the pinned key is who is meant, whatever its certificate says of names and dates.
        info.ssl_connection |= LCCSCF_ALLOW_SELFSIGNED | LCCSCF_ALLOW_INSECURE | LCCSCF_ALLOW_EXPIRED |
                               LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
    }
    link->is_making = 1;
    struct lws *wsi = info.vhost != NULL ? hub->lws->lws_client_connect_via_info(&info) : NULL;
    link->is_making = 0;
    if (wsi == NULL || link->is_gone) {
        cws_control_forget(link);
        return NULL;
    }
    link->wsi = wsi;
    return link;
}

void cws_hub_run(struct cws_hub *hub) {
    // OpenSSL writes to broken connections without asking for no signal; this thread takes none.
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, NULL);
    while (!atomic_load(&hub->is_stopped) && hub->lws->lws_service(hub->context, 0) >= 0) {
    }
}

void cws_hub_wake(struct cws_hub *hub) { hub->lws->lws_cancel_service(hub->context); }

static void ring(lws_sorted_usec_list_t *alarm) {
    struct cws_hub *hub = lws_container_of(alarm, struct cws_hub, alarm);
    hub->handler.woken(hub->owner);
}

void cws_hub_alarm(struct cws_hub *hub, int64_t microseconds) {
    lws_usec_t span = microseconds < 0 ? LWS_SET_TIMER_USEC_CANCEL : microseconds < 1 ? 1 : microseconds;
    hub->lws->lws_sul_schedule(hub->context, 0, &hub->alarm, ring, span);
}

void cws_hub_stop(struct cws_hub *hub) {
    atomic_store(&hub->is_stopped, 1);
    hub->lws->lws_cancel_service(hub->context);
}

void cws_hub_close(struct cws_hub *hub) {
    int is_adopted = hub->listener != NULL;
    if (hub->context != NULL) {
        cws_hub_alarm(hub, -1);
        hub->lws->lws_context_destroy(hub->context);
    }
    if (!is_adopted && hub->listening >= 0) close(hub->listening);
    if (hub->spare >= 0) close(hub->spare);
    free(hub);
}
