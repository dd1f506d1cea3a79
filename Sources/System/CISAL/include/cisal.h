// GF(2^8) arithmetic over whole symbols, by ISA-L where it is installed and by plain C where it is not.
//
// The field is the one of RFC 8681 and of ISA-L: polynomials modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11D). Libisal is
// opened when first needed, so that a program which codes nothing neither loads nor needs it.
#ifndef CISAL_H
#define CISAL_H

#include <stddef.h>
#include <stdint.h>

/// a × b.
uint8_t cisal_multiply(uint8_t a, uint8_t b);

/// The number whose product with `a` is 1; 0 for 0.
uint8_t cisal_inverse(uint8_t a);

/// target[i] ^= factor × source[i] for `count` bytes, a multiple of 64. The ranges do not overlap.
void cisal_multiply_add(uint8_t factor, const uint8_t *source, uint8_t *target, size_t count);

/// The same by a loop over tables in plain C, whatever is installed: what the library is measured against.
void cisal_multiply_add_plain(uint8_t factor, const uint8_t *source, uint8_t *target, size_t count);

/// 1 when ISA-L does the work, 0 when plain C does.
int cisal_has_library(void);

/// target[i] ^= source[i] for `count` bytes.
void cisal_xor(const uint8_t *source, uint8_t *target, size_t count);

#endif
