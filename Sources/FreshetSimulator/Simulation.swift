/// Runs scenarios.
public enum Simulation {
    /// Runs `scenario` to its end or to the first invariant that breaks. The same seed gives the same run, on
    /// every machine.
    public static func run(_ scenario: Scenario, seed: UInt64) -> SimulationResult {
        var world = World<StreamHost>(scenario, seed: seed)
        world.run()
        return SimulationResult(world, seed: seed)
    }
}
