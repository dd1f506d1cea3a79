#define _GNU_SOURCE
#include "ccertificate.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/opensslv.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#if OPENSSL_VERSION_MAJOR != 3
#error "the soname of this version of OpenSSL is not known: add it here"
#endif
#define SONAME "libcrypto.so.3"

#define FUNCTIONS(F) \
    F(ASN1_INTEGER_set_uint64) \
    F(BIO_free) \
    F(BIO_new) \
    F(BIO_new_mem_buf) \
    F(BIO_read) \
    F(BIO_s_mem) \
    F(CRYPTO_free) \
    F(EVP_Digest) \
    F(EVP_PKEY_Q_keygen) \
    F(EVP_PKEY_free) \
    F(EVP_sha256) \
    F(PEM_read_bio_X509) \
    F(PEM_write_bio_PrivateKey) \
    F(PEM_write_bio_X509) \
    F(RAND_bytes) \
    F(X509_NAME_add_entry_by_txt) \
    F(X509_free) \
    F(X509_get_X509_PUBKEY) \
    F(X509_get_serialNumber) \
    F(X509_get_subject_name) \
    F(X509_getm_notAfter) \
    F(X509_getm_notBefore) \
    F(X509_gmtime_adj) \
    F(X509_new) \
    F(X509_set_issuer_name) \
    F(X509_set_pubkey) \
    F(X509_set_version) \
    F(X509_sign) \
    F(X509_time_adj_ex) \
    F(i2d_X509_PUBKEY)

#define FIELD(name) __typeof__(name) *name;

static struct functions {
    FUNCTIONS(FIELD)
} crypto;
static pthread_mutex_t load_mutex = PTHREAD_MUTEX_INITIALIZER;
static int is_loaded;

#define LOOK_UP(name) \
    *(void **)&crypto.name = dlsym(library, #name); \
    if (crypto.name == NULL) { \
        snprintf(message, capacity, "%s lacks %s; install the libssl3 that this program was built with", SONAME, #name); \
        return -1; \
    }

static int load_once(char *message, size_t capacity) {
    void *library = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(message, capacity, "a certificate needs %s, which cannot be loaded (%s); install Debian's libssl3 " \
                 "package", SONAME, dlerror());
        return -1;
    }
    FUNCTIONS(LOOK_UP)
    return 0;
}

static int load(char *message, size_t capacity) {
    pthread_mutex_lock(&load_mutex);
    if (!is_loaded && load_once(message, capacity) == 0) is_loaded = 1;
    int status = is_loaded ? 0 : -1;
    pthread_mutex_unlock(&load_mutex);
    return status;
}

int cws_sha256(const uint8_t *bytes, size_t byte_count, uint8_t *digest) {
    char ignored[160];
    unsigned int count = 0;
    if (load(ignored, sizeof ignored) != 0) return -1;
    return crypto.EVP_Digest(bytes, byte_count, digest, &count, crypto.EVP_sha256(), NULL) == 1 && count == 32 ? 0 : -1;
}

static int fill_in(X509 *certificate, EVP_PKEY *key) {
    uint64_t serial = 0;
    crypto.RAND_bytes((unsigned char *)&serial, sizeof serial);
    X509_NAME *name = crypto.X509_get_subject_name(certificate);
    return crypto.X509_set_version(certificate, 2) == 1 &&
        crypto.ASN1_INTEGER_set_uint64(crypto.X509_get_serialNumber(certificate), serial >> 1) == 1 &&
        // A day back, for clocks that are a little slow.
        crypto.X509_gmtime_adj(crypto.X509_getm_notBefore(certificate), -86400) != NULL &&
        crypto.X509_time_adj_ex(crypto.X509_getm_notAfter(certificate), 36525, 0, NULL) != NULL &&
        crypto.X509_set_pubkey(certificate, key) == 1 &&
        crypto.X509_NAME_add_entry_by_txt(
            name, "CN", MBSTRING_ASC, (const unsigned char *)"freshet coordinator", -1, -1, 0) == 1 &&
        crypto.X509_set_issuer_name(certificate, name) == 1 &&
        crypto.X509_sign(certificate, key, crypto.EVP_sha256()) > 0;
}

ptrdiff_t cws_certificate_make(char *text, size_t text_capacity, char *message, size_t capacity) {
    if (load(message, capacity) != 0) return -1;
    ptrdiff_t count = -1;
    EVP_PKEY *key = crypto.EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *certificate = crypto.X509_new();
    BIO *paper = crypto.BIO_new(crypto.BIO_s_mem());
    if (key != NULL && certificate != NULL && paper != NULL && fill_in(certificate, key) &&
        crypto.PEM_write_bio_PrivateKey(paper, key, NULL, NULL, 0, NULL, NULL) == 1 &&
        crypto.PEM_write_bio_X509(paper, certificate) == 1)
        count = crypto.BIO_read(paper, text, (int)text_capacity);
    if (paper != NULL) crypto.BIO_free(paper);
    if (certificate != NULL) crypto.X509_free(certificate);
    if (key != NULL) crypto.EVP_PKEY_free(key);
    if (count > 0 && (size_t)count < text_capacity) return count;
    snprintf(message, capacity, "libcrypto cannot make a certificate");
    return -1;
}

int cws_certificate_pin(const char *pem, size_t byte_count, uint8_t *pin, char *message, size_t capacity) {
    if (load(message, capacity) != 0) return -1;
    BIO *paper = crypto.BIO_new_mem_buf(pem, (int)byte_count);
    X509 *certificate = paper != NULL ? crypto.PEM_read_bio_X509(paper, NULL, NULL, NULL) : NULL;
    int status = -1;
    if (certificate != NULL) {
        unsigned char *bytes = NULL;
        int count = crypto.i2d_X509_PUBKEY(crypto.X509_get_X509_PUBKEY(certificate), &bytes);
        if (count > 0) status = cws_sha256(bytes, (size_t)count, pin);
        crypto.CRYPTO_free(bytes, __FILE__, __LINE__);
        crypto.X509_free(certificate);
    }
    if (paper != NULL) crypto.BIO_free(paper);
    if (status != 0) snprintf(message, capacity, "it holds no certificate in PEM");
    return status;
}
