public import FreshetCore
import FreshetMedia
import FreshetStages

/// `packetize`: makes RTP packets of a transport stream, each with its place on the stream's own
/// schedule; samples are muxed to a transport stream first, without coding them anew.
///
/// A transport stream passes bit for bit. Packets that are RTP already pass untouched.
public struct PacketizeStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "packetize", summary: "makes RTP packets of a transport stream or of coded frames",
            takes: [.samples, .transportStream, .rtp], gives: .rtp,
            parameters: [
                StageParameter(
                    "clock", .choice(["pcr", "arrival"]), default: "pcr",
                    "where the schedule comes from: the stream's clock references, or when packets come in"),
                StageParameter("payload", .integer(1...7), default: "7", "TS packets to a datagram"),
                StageParameter(
                    "mux-rate", .bitRate, default: "",
                    "constant rate of the transport stream made of frames; left out: as much as they take"),
                StageParameter(
                    "program", .text, default: "", "the programme's name in what is made of frames"),
                StageParameter(
                    "pcr-interval", .duration, default: "40ms",
                    "longest span between clock references in what is made of frames"),
                StageParameter(
                    "mux-delay", .duration, default: "",
                    "how far the clock runs ahead of decoding in what is made of frames; left out: 100ms, or "
                        + "700ms at a constant rate"),
                StageParameter(
                    "rate", .bitRate, default: "4M",
                    "the pace of a transport stream that has no clock references"),
                StageParameter(
                    "ssrc", .integer(0...Int(UInt32.max)), default: "", "RTP SSRC, even; left out: random"),
            ],
            example: "demux input=media/clip.mp4 ! packetize ! pace ! multicast-send group=239.77.1.1:5004")
    }

    private let arguments: StageArguments
    private var packetizer: TSPacketizer
    private let muxer: SampleMuxer
    private var isMuxerFinished = false

    /// A stage with the given parameters; opens nothing.
    public init(arguments: StageArguments) throws(StageError) {
        self.arguments = arguments
        var options = SampleMuxer.Options()
        options.muxRate = arguments.bitRate("mux-rate") ?? 0
        options.programName = arguments.text("program")
        options.clockInterval = arguments.duration("pcr-interval") ?? options.clockInterval
        options.delay =
            arguments.duration("mux-delay") ?? (options.muxRate > 0 ? .milliseconds(700) : .milliseconds(100))
        muxer = try SampleMuxer(options)
        packetizer = TSPacketizer(TSPacketizer.Configuration())
    }

    /// Chooses the identifiers of the RTP stream.
    public mutating func start(context: inout StageContext) throws(StageError) {
        var configuration = TSPacketizer.Configuration(random: &context.random)
        configuration.packetsPerDatagram = arguments.integer("payload") ?? 7
        configuration.clock = arguments.text("clock") == "arrival" ? .arrival : .reference
        configuration.anchor = .reference
        configuration.fallbackBitRate = arguments.bitRate("rate") ?? configuration.fallbackBitRate
        if let ssrc = arguments.integer("ssrc") { configuration.ssrc = UInt32(ssrc) & ~1 }
        packetizer = TSPacketizer(configuration)
    }

    /// Muxes samples, and gives datagrams whose place on the schedule is known.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        while true {
            guard giveMuxed(into: &output, context: &context) else { return }
            guard !input.isEmpty else { return }
            if input[0].unsafeAttachment == nil {
                packetizer.process(&input, into: &output, context: &context)
                return
            }
            // The muxer holds no more than one hand-over's worth: what it made goes out before it is given
            // more.
            guard let packet = input.popFirst() else { return }
            try muxer.take(packet)
            report(context: &context)
        }
    }

    /// Gives what has waited too long for a clock reference.
    public mutating func advance(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        packetizer.advance(into: &output, context: &context)
        _ = giveMuxed(into: &output, context: &context)
    }

    /// Gives, or completes, what is still held.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        if !isMuxerFinished {
            isMuxerFinished = true
            try muxer.finish()
        }
        guard giveMuxed(into: &output, context: &context) else { return false }
        return packetizer.finish(into: &output, context: &context)
    }

    /// When something is due without new input.
    public var nextDeadline: Instant? { packetizer.nextDeadline }

    /// Hands what the muxer made to the packetizer; false when not all of it found room.
    private mutating func giveMuxed(into output: inout PacketBatch, context: inout StageContext) -> Bool {
        while !muxer.unread.isEmpty {
            let bytes = muxer.unread
            let count = packetizer.take(bytes.bytes, arrival: context.now, context: &context)
            muxer.removeFirst(count)
            let before = output.count
            packetizer.advance(into: &output, context: &context)
            if count == 0 && output.count == before { return false }
        }
        return true
    }

    private func report(context: inout StageContext) {
        for notice in muxer.notices { context.report(.notice(notice)) }
        muxer.notices.removeAll()
    }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { register(PacketizeStage.self, in: $0) }
