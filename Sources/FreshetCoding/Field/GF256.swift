internal import CISAL

/// Arithmetic in GF(2^8), the field of bytes modulo x⁸ + x⁴ + x³ + x² + 1 (RFC 8681 §3.4): addition is
/// exclusive or, and every byte but 0 has an inverse.
public enum GF256 {
    /// The rows that ``multiplyAdd(_:_:into:byteCount:)`` takes are whole multiples of this many bytes.
    public static var rowAlignment: Int { 64 }

    /// The product.
    public static func multiply(_ a: UInt8, _ b: UInt8) -> UInt8 { cisal_multiply(a, b) }

    /// The number whose product with `a` is 1; 0 for 0, which has none.
    public static func inverse(_ a: UInt8) -> UInt8 { cisal_inverse(a) }

    /// Adds `factor` times `source` to `target`, byte by byte. `byteCount` is a multiple of
    /// ``rowAlignment``, and the rows do not overlap.
    public static func multiplyAdd(
        _ factor: UInt8, _ source: UnsafePointer<UInt8>, into target: UnsafeMutablePointer<UInt8>,
        byteCount: Int
    ) {
        cisal_multiply_add(factor, source, target, byteCount)
    }

    /// The same by a plain loop over tables: the yardstick of the benchmark, and the way without ISA-L.
    public static func multiplyAddPlainly(
        _ factor: UInt8, _ source: UnsafePointer<UInt8>, into target: UnsafeMutablePointer<UInt8>,
        byteCount: Int
    ) {
        cisal_multiply_add_plain(factor, source, target, byteCount)
    }

    /// Adds `source` to `target`: exclusive or.
    public static func add(
        _ source: UnsafePointer<UInt8>, into target: UnsafeMutablePointer<UInt8>, byteCount: Int
    ) {
        cisal_xor(source, target, byteCount)
    }

    /// True when ISA-L does the work; false when it is not installed and plain C does.
    public static var isAccelerated: Bool { cisal_has_library() != 0 }

    /// `byteCount` rounded up to whole rows.
    static func rowByteCount(_ byteCount: Int) -> Int {
        (byteCount &+ (rowAlignment &- 1)) & ~(rowAlignment &- 1)
    }
}
