import Testing
@testable import FreshetMedia
@Test func loads() throws { 
   let f = try FFmpeg.load()
   #expect(f.explain(-2) == "No such file or directory")
}
