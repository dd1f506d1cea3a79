import FreshetOverlay
import Testing

@Suite struct RepairAllowanceTests {
    @Test func repairIsAShareOfTheMedia() {
        var allowance = RepairAllowance(perMille: 250, burst: 1000)
        let answer1 = allowance.pay(1000)
        #expect(answer1)
        let answer2 = allowance.pay(1)
        #expect(!answer2)
        for _ in 0..<8 { allowance.earn(1000) }
        let answer3 = allowance.pay(1000)
        #expect(answer3)
        let answer4 = allowance.pay(1)
        #expect(!answer4)
    }

    @Test func anAskerGetsItsShareAndOthersTheirs() {
        var table = AskerTable(perMille: 125, burst: 10)
        var allowed = 0
        for _ in 0..<1000 {
            table.notePacket()
            if table.allow(Peer(7)) { allowed += 1 }
        }
        #expect(allowed >= 125 && allowed <= 140)
        let answer5 = table.allow(Peer(8))
        #expect(answer5)
    }

    @Test func newAskersDoNotWashAHeavyOneOut() {
        var table = AskerTable(perMille: 125, burst: 10)
        for _ in 0..<10 { _ = table.allow(Peer(7)) }
        for number in 100..<200 { _ = table.allow(Peer(UInt32(number))) }
        let answer6 = table.allow(Peer(7))
        #expect(!answer6)
    }
}
