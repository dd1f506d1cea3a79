#include "cisal.h"

#include <dlfcn.h>
#include <pthread.h>

#define POLYNOMIAL 0x11D
#define TABLE_BYTES 32

// The library's own form (isa-l/erasure_code.h): per factor the products with 0x00 to 0x0F, then with 0x00, 0x10 … 0xF0.
static uint8_t tables[256][TABLE_BYTES];
static uint8_t inverses[256];

typedef void (*multiply_add_function)(int length, int vectors, int vector, unsigned char *tables,
                                      unsigned char *source, unsigned char *target);
static multiply_add_function library_multiply_add;
static pthread_once_t is_prepared = PTHREAD_ONCE_INIT;

static uint8_t multiply_slowly(unsigned a, unsigned b) {
    unsigned product = 0;
    for (; b != 0; b >>= 1) {
        if (b & 1) product ^= a;
        a <<= 1;
        if (a & 0x100) a ^= POLYNOMIAL;
    }
    return (uint8_t)product;
}

static void prepare(void) {
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 16; b++) {
            tables[a][b] = multiply_slowly(a, b);
            tables[a][16 + b] = multiply_slowly(a, b << 4);
        }
    }
    for (unsigned a = 1; a < 256; a++) {
        for (unsigned b = 1; b < 256 && inverses[a] == 0; b++) {
            if ((tables[a][b & 15] ^ tables[a][16 + (b >> 4)]) == 1) inverses[a] = (uint8_t)b;
        }
    }
    void *library = dlopen("libisal.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library != NULL) *(void **)&library_multiply_add = dlsym(library, "gf_vect_mad");
}

uint8_t cisal_multiply(uint8_t a, uint8_t b) {
    pthread_once(&is_prepared, prepare);
    return tables[a][b & 15] ^ tables[a][16 + (b >> 4)];
}

uint8_t cisal_inverse(uint8_t a) {
    pthread_once(&is_prepared, prepare);
    return inverses[a];
}

int cisal_has_library(void) {
    pthread_once(&is_prepared, prepare);
    return library_multiply_add != NULL;
}

void cisal_multiply_add_plain(uint8_t factor, const uint8_t *source, uint8_t *target, size_t count) {
    pthread_once(&is_prepared, prepare);
    const uint8_t *table = tables[factor];
    for (size_t i = 0; i < count; i++) {
        target[i] ^= table[source[i] & 15] ^ table[16 + (source[i] >> 4)];
    }
}

void cisal_multiply_add(uint8_t factor, const uint8_t *source, uint8_t *target, size_t count) {
    pthread_once(&is_prepared, prepare);
    if (factor == 0 || count == 0) return;
    if (factor == 1) {
        cisal_xor(source, target, count);
    } else if (library_multiply_add != NULL && count >= 64) {
        library_multiply_add((int)count, 1, 0, tables[factor], (unsigned char *)source, target);
    } else {
        cisal_multiply_add_plain(factor, source, target, count);
    }
}

void cisal_xor(const uint8_t *source, uint8_t *target, size_t count) {
    for (size_t i = 0; i < count; i++) target[i] ^= source[i];
}
