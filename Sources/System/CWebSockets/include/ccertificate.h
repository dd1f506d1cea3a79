// Certificates and hashes by OpenSSL's libcrypto, which is loaded when it is first needed.
#ifndef CCERTIFICATE_H
#define CCERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

/// Makes an EC P-256 key and a certificate signed by itself, good for 100 years, and puts both in `text` as PEM, the key
/// first. The number of bytes, or -1 where `message` tells.
ptrdiff_t cws_certificate_make(
    char *_Nonnull text, size_t text_capacity, char *_Nonnull message, size_t capacity);

/// SHA-256 of the public key (SubjectPublicKeyInfo, DER) of the first certificate in `pem`. 0, or -1 where `message`
/// tells.
int cws_certificate_pin(
    const char *_Nonnull pem, size_t byte_count, uint8_t *_Nonnull pin, char *_Nonnull message, size_t capacity);

/// SHA-256 of `bytes` in the 32 bytes of `digest`; 0, or -1 when libcrypto is missing.
int cws_sha256(const uint8_t *_Nonnull bytes, size_t byte_count, uint8_t *_Nonnull digest);

#endif
