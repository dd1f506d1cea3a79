/// The coefficients of one repair symbol, in the order of its window (RFC 8681 §3.6, with m = 8).
struct CoefficientGenerator {
    private var random: TinyMT32
    private let density: UInt8

    /// The highest density threshold: no coefficient is 0.
    static var fullDensity: UInt8 { 15 }

    /// Coefficients of the symbol with `key`; of each 16, `density` + 1 are not 0. Traps when `density` is
    /// above 15.
    init(key: UInt16, density: UInt8) {
        precondition(density <= CoefficientGenerator.fullDensity)
        random = TinyMT32(seed: UInt32(key))
        self.density = density
    }

    /// The coefficient of the window's next packet.
    mutating func next() -> UInt8 {
        if density < CoefficientGenerator.fullDensity && random.next16() > density { return 0 }
        while true {
            let value = random.next256()
            if value != 0 { return value }
        }
    }
}
