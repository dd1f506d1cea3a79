import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// What members do when others fail, leave or go mad, in small worlds of virtual time.
@Suite struct TreeNodeFailureTests {
    enum Fault: CaseIterable { case killed, stopped, deaf }

    /// A viewer that forwards.
    private func innerNode(of world: TreeWorld, _ random: inout PRNG) -> Int? {
        let inner = world.survivors.filter { world.hosts[$0].node.childCount > 0 }
        return inner.isEmpty ? nil : inner[Int(random.below(UInt64(inner.count)))]
    }

    @Test(arguments: Fault.allCases, [1, 4])
    func oneInnerRelayFailsAndNobodyMissesAPacket(fault: Fault, seed: Int) throws {
        var settings = TreeWorld.Settings()
        settings.seed = UInt64(seed)
        settings.viewers = 30
        settings.stripeCount = seed % 2 == 0 ? 4 : 1
        let world = TreeWorld(settings)
        world.run(until: .seconds(8))
        try #require(world.structureProblems() == [])
        var random = PRNG(seed: UInt64(seed))
        let victim = try #require(innerNode(of: world, &random))
        let children = world.survivors.filter { child in
            (0..<settings.stripeCount).contains {
                world.hosts[child].node.parent(of: $0) == world.hosts[victim].node.member
            }
        }
        let failed = world.now
        switch fault {
        case .killed: world.crash(victim)
        case .stopped: world.hosts[victim].isFrozen = true
        case .deaf: world.hosts[victim].isDeaf = true
        }
        world.run(until: .seconds(14))
        if fault == .deaf { world.hosts[victim].isAlive = false }
        #expect(world.structureProblems() == [])
        #expect(world.problems == [])
        #expect(world.hurt() == [])
        for child in children {
            let moves = world.hosts[child].movedAt.filter { $0 >= failed }
            // Detection (100 ms and what is under way), a round trip to the backup, and its first packet.
            let limit: Nanoseconds = fault == .deaf ? .milliseconds(2_000) : .milliseconds(600)
            #expect(moves.first.map { $0 - failed < limit } == true)
        }
    }

    /// Two in five are behind a port-restricted cone and forward like others; one in five behind a symmetric NAT is a leaf.
    @Test(arguments: 1...3)
    func throughNatsATreeIsWholeAndStaysSoWhenRelaysFail(seed: Int) throws {
        var settings = TreeWorld.Settings()
        settings.seed = UInt64(seed)
        settings.viewers = 50
        settings.stripeCount = seed == 3 ? 4 : 1
        settings.conePerMille = 400
        settings.symmetricPerMille = 200
        let world = TreeWorld(settings)
        world.run(until: .seconds(8))
        #expect(world.structureProblems() == [])
        let cones = world.survivors.filter { world.nats[$0]?.isSymmetric == false }
        let inner = cones.filter { world.hosts[$0].node.childCount > 0 }
        try #require(inner.count >= 3)
        for _ in 0..<3 {
            guard let victim = inner.first(where: { world.hosts[$0].isAlive }) else { break }
            world.crash(victim)
            world.run(until: (world.now - .zero) + .seconds(4))
            #expect(world.structureProblems() == [])
        }
        #expect(world.hurt() == [])
        #expect(world.problems == [])
        for index in world.survivors where world.nats[index]?.isSymmetric == true {
            #expect(world.hosts[index].node.childCount == 0)
        }
    }

    @Test func aBranchKeepsItsShapeWhenItsTopIsMoved() throws {
        var settings = TreeWorld.Settings()
        settings.viewers = 60
        settings.children = 2
        // Nobody is moved for a better place meanwhile.
        settings.configure = { $0.moveBudgetPerSecond = 0 }
        let world = TreeWorld(settings)
        world.run(until: .seconds(8))
        let table = world.indexOfMember
        // The primary with fewest members two levels and more below it, but some.
        func branch(of primary: Int) -> [Int] {
            world.survivors.filter {
                let path = world.hosts[$0].node.path(of: 0)
                return path.count > 2 && path[1] == world.hosts[primary].node.member
            }
        }
        let primaries = world.survivors.filter { world.hosts[$0].node.path(of: 0).count == 1 }
        let large = primaries.filter { branch(of: $0).count > 3 }
        let primary = try #require(large.min { branch(of: $0).count < branch(of: $1).count })
        let below = branch(of: primary)
        try #require(below.count > 3)
        let parents = below.map { table[world.hosts[$0].node.parent(of: 0)] }
        world.crash(primary)
        world.run(until: .seconds(9) + .milliseconds(500))
        #expect(below.map { world.indexOfMember[world.hosts[$0].node.parent(of: 0)] } == parents)
        #expect(world.hurt() == [])
    }

    @Test func whoLeavesHandsOverFirst() throws {
        let world = TreeWorld(.init())
        world.run(until: .seconds(8))
        var random = PRNG(seed: 5)
        let leaver = try #require(innerNode(of: world, &random))
        world.hosts[leaver].node.leave(now: world.now)
        world.drain(leaver)
        world.run(until: .seconds(12))
        #expect(world.hosts[leaver].hasLeft)
        #expect(world.structureProblems() == [])
        #expect(world.hurt() == [])
        #expect(world.survivors.allSatisfy { world.hosts[$0].node.tally.silenceCount == 0 })
    }

    @Test func theTreePlaysOnWithoutItsCoordinatorAndIsKnownToTheNextOne() throws {
        var settings = TreeWorld.Settings()
        settings.viewers = 40
        settings.stripeCount = 2
        let world = TreeWorld(settings)
        world.run(until: .seconds(8))
        world.stopCoordinator()
        world.run(until: .seconds(9))
        var random = PRNG(seed: 3)
        world.crash(try #require(innerNode(of: world, &random)))
        world.run(until: .seconds(12))
        #expect(world.hurt() == [])
        world.restartCoordinator()
        world.run(until: .seconds(20))
        #expect(world.structureProblems() == [])
        #expect(world.hurt() == [])
        #expect(world.coordinator.memberCount == 40)
        for index in world.survivors {
            for stripe in 0..<2 {
                let node = world.hosts[index].node.member
                #expect(
                    world.coordinator.parent(of: node, stripe: stripe)
                        == world.hosts[index].node.parent(of: stripe))
            }
        }
    }

    @Test func theGoodbyeReachesEverybody() {
        let world = TreeWorld(.init())
        world.run(until: .seconds(5))
        world.isEmitting = false
        let last = TreeWorld.firstSequence + Int64(world.emitted.count) - 1
        world.hosts[0].node.end(at: last)
        world.drain(0)
        world.run(until: .seconds(7))
        #expect(world.survivors.allSatisfy { world.hosts[$0].hasEnded })
        #expect(world.survivors.allSatisfy { world.hosts[$0].node.finalSequence == last })
    }

    @Test func aSourceThatPausesIsNoFailure() {
        let world = TreeWorld(.init())
        world.run(until: .seconds(5))
        world.isEmitting = false
        world.run(until: .seconds(8))
        #expect(world.survivors.allSatisfy { world.hosts[$0].node.tally.silenceCount == 0 })
    }

    @Test(arguments: 1...1) func aFifthCrashesAtOnceAndTheTreeIsWholeAgain(seed: Int) {
        var settings = TreeWorld.Settings()
        settings.seed = UInt64(seed)
        settings.viewers = 60
        settings.stripeCount = 4
        settings.packetInterval = .milliseconds(5)
        settings.latency = .seconds(1)
        settings.checksText = false
        let world = TreeWorld(settings)
        world.run(until: .seconds(8))
        var random = PRNG(seed: UInt64(seed))
        var victims: Set<Int> = []
        while victims.count < 12 { victims.insert(1 + Int(random.below(60))) }
        for victim in victims.sorted() { world.crash(victim) }
        world.run(until: .seconds(11))
        #expect(world.structureProblems() == [])
        world.run(until: .seconds(13))
        #expect(world.hurt(tail: 300).count <= 1)
    }
}
