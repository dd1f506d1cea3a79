internal import CLinux
internal import FreshetCore
internal import FreshetNet
internal import Glibc

/// A program that was started with pipes as its standard input and output; packets go in, packets come out.
///
/// All pipes are non-blocking: a full or empty one is back-pressure. The program is in a process group of its
/// own, so an interrupt from the keyboard ends it through its input, not behind our back. When dropped, it is
/// ended.
final class ChildProgram {
    /// The most bytes of output in one packet: seven transport stream packets.
    private static let chunkByteCount = 1316
    private static let lengthByteCount = 4
    /// How often the end of the program is looked for once its pipes are closed.
    private static let reapInterval = Nanoseconds.milliseconds(10)
    /// How long a program may take to end after its input was closed, before it is told to.
    private static let patience = Nanoseconds.seconds(5)

    private let name: String
    private let isFramed: Bool
    // Unchecked exclusivity: the program belongs to one stage on one thread.
    private let poller: Poller
    private var pid: pid_t
    private var inputPipe: Int32 = -1
    private var outputPipe: Int32 = -1
    @exclusivity(unchecked) private var pendingInput: FixedRing<Packet>
    @exclusivity(unchecked) private var pendingOffset = 0
    @exclusivity(unchecked) private var partial: Packet?
    private var hasClosedInput = false
    private(set) var isInputBroken = false
    private(set) var reapDeadline: Instant?
    private var patienceDeadline: Instant?
    private var exitStatus: Int32?

    /// Starts the first word of `command` with the others as arguments.
    init(_ command: String, input: Bool, output: Bool, isFramed: Bool) throws(StageError) {
        let words = try CommandLineWords.split(command)
        name = words[0]
        self.isFramed = isFramed
        pendingInput = FixedRing(capacity: 1)
        do { poller = try Poller() } catch { throw .failure(error.description) }
        let toChild = try input ? Pipe() : nil
        let fromChild = try output ? Pipe() : nil
        pid = try ChildProgram.spawn(words, input: toChild?.readEnd, output: fromChild?.writeEnd)
        if let toChild {
            close(toChild.readEnd)
            inputPipe = toChild.writeEnd
            _ = clinux_set_nonblocking(inputPipe, 1)
        }
        if let fromChild {
            close(fromChild.writeEnd)
            outputPipe = fromChild.readEnd
            _ = clinux_set_nonblocking(outputPipe, 1)
        }
        do {
            if inputPipe >= 0 { try poller.add(inputPipe, tag: 0, reading: false, writing: true) }
            if outputPipe >= 0 { try poller.add(outputPipe, tag: 1) }
        } catch { throw .failure(error.description) }
    }

    deinit {
        if inputPipe >= 0 { close(inputPipe) }
        if outputPipe >= 0 { close(outputPipe) }
        if exitStatus == nil {
            kill(pid, SIGTERM)
            var status: Int32 = 0
            var waited = 0
            while waitpid(pid, &status, WNOHANG) == 0 && waited < 200 {
                usleep(5000)
                waited += 1
            }
            if waited == 200 {
                kill(pid, SIGKILL)
                waitpid(pid, &status, 0)
            }
        }
    }

    var pollDescriptor: Int32 { poller.number }

    private struct Pipe {
        var readEnd: Int32
        var writeEnd: Int32

        init() throws(StageError) {
            var ends: [Int32] = [-1, -1]
            guard clinux_pipe(&ends) == 0 else { throw .failure("the system gives no more pipes") }
            readEnd = ends[0]
            writeEnd = ends[1]
        }
    }

    private static func spawn(_ words: [String], input: Int32?, output: Int32?) throws(StageError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input { posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO) }
        if let output { posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var ours = sigset_t()
        sigemptyset(&ours)
        for signal in [SIGINT, SIGTERM, SIGPIPE] { sigaddset(&ours, signal) }
        posix_spawnattr_setsigdefault(&attributes, &ours)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let status = posix_spawnp(&pid, words[0], &actions, &attributes, arguments, environ)
        if status != 0 {
            throw .failure("the program \(words[0]) cannot be started (\(String(cString: strerror(status))))")
        }
        for end in [input, output].compactMap({ $0 }) { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return pid
    }

    // MARK: Writing

    /// Writes packets to the program's input as far as the pipe takes them.
    func write(_ input: inout PacketBatch, context: inout StageContext) throws(StageError) {
        guard inputPipe >= 0 else { return }
        while true {
            if pendingInput.isEmpty {
                guard let packet = input.popFirst() else { return }
                context.counters.add(.bytesIn, packet.byteCount)
                pendingInput.append(packet)
                pendingOffset = isFramed ? -ChildProgram.lengthByteCount : 0
            }
            guard try writePending() else { return }
            _ = pendingInput.popFirst()
        }
    }

    /// Writes what is left of the pending packet; false when the pipe is full or broken.
    private func writePending() throws(StageError) -> Bool {
        let byteCount = pendingInput[0].byteCount
        while pendingOffset < byteCount {
            let written: Int
            if pendingOffset < 0 {
                var length = UInt32(byteCount).bigEndian
                let skip = ChildProgram.lengthByteCount + pendingOffset
                written = withUnsafeBytes(of: &length) {
                    Glibc.write(
                        inputPipe, $0.baseAddress.map { $0 + skip }, ChildProgram.lengthByteCount - skip)
                }
            } else {
                let bytes = pendingInput[0].unsafeBytes
                written = Glibc.write(
                    inputPipe, bytes.baseAddress.map { $0 + pendingOffset }, byteCount - pendingOffset)
            }
            if written < 0 && errno == EINTR { continue }
            if written < 0 && errno == EAGAIN { return false }
            if written < 0 {
                isInputBroken = true
                try closeInput()
                return false
            }
            pendingOffset += written
        }
        return true
    }

    /// Closes the program's input, once what is pending was written.
    func closeInput() throws(StageError) {
        guard inputPipe >= 0 else { return }
        if !isInputBroken && !pendingInput.isEmpty {
            guard try writePending() else { return }
        }
        pendingInput.removeAll()
        close(inputPipe)
        inputPipe = -1
        hasClosedInput = true
    }

    // MARK: Reading

    /// Reads the program's output into packets as far as there is some and room for it.
    func read(into output: inout PacketBatch, context: inout StageContext) throws(StageError) {
        guard outputPipe >= 0 else { return }
        while !output.isFull {
            if partial == nil { partial = context.allocate() }
            guard var packet = partial.take() else { return }
            let wanted = try wantedByteCount(&packet)
            let space = packet.unsafeWritableBytes
            let count = Glibc.read(
                outputPipe, space.baseAddress.map { $0 + packet.byteCount }, wanted - packet.byteCount)
            if count > 0 {
                packet.setByteCount(packet.byteCount + count)
                try complete(packet, into: &output, context: &context)
                continue
            }
            if count < 0 && errno == EAGAIN { return try giveWhole(packet, into: &output, context: &context) }
            if count < 0 && errno == EINTR {
                partial = consume packet
                continue
            }
            close(outputPipe)
            outputPipe = -1
            if packet.byteCount > 0 && !isFramed { give(packet, into: &output, context: &context) }
            return
        }
    }

    /// How many bytes the packet under way must have before it can be given.
    private func wantedByteCount(_ packet: inout Packet) throws(StageError) -> Int {
        guard isFramed else { return ChildProgram.chunkByteCount }
        if packet.byteCount < ChildProgram.lengthByteCount { return ChildProgram.lengthByteCount }
        let length = ChildProgram.frameLength(packet)
        let room = packet.byteCount + packet.spareByteCount - ChildProgram.lengthByteCount
        guard length <= room else {
            throw .failure("\(name) wrote a packet of \(length) bytes; at most \(room) fit")
        }
        return ChildProgram.lengthByteCount + length
    }

    private static func frameLength(_ packet: borrowing Packet) -> Int {
        let bytes = packet.unsafeBytes
        return Int(bytes[0]) << 24 | Int(bytes[1]) << 16 | Int(bytes[2]) << 8 | Int(bytes[3])
    }

    private func complete(
        _ packet: consuming Packet, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        let wanted = try wantedByteCount(&packet)
        if packet.byteCount < wanted
            || (isFramed && packet.byteCount == ChildProgram.lengthByteCount && wanted > packet.byteCount)
        {
            partial = consume packet
        } else {
            if isFramed { packet.removeFirst(ChildProgram.lengthByteCount) }
            give(packet, into: &output, context: &context)
        }
    }

    /// Nothing more is there now: whole transport stream packets are given at once, the rest waits.
    private func giveWhole(
        _ packet: consuming Packet, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        context.isReadable = false
        let whole = packet.byteCount / 188 * 188
        guard !isFramed, whole > 0, whole == packet.byteCount else {
            partial = consume packet
            return
        }
        give(packet, into: &output, context: &context)
    }

    private func give(
        _ packet: consuming Packet, into output: inout PacketBatch, context: inout StageContext
    ) {
        packet.info.arrival = context.now
        context.counters.add(.bytesOut, packet.byteCount)
        output.append(packet)
    }

    // MARK: The end

    /// True when the program has ended and its output was read; throws when it ended with an error.
    func hasEnded(_ now: Instant) throws(StageError) -> Bool {
        if outputPipe >= 0 || (inputPipe >= 0 && !isInputBroken) {
            reapDeadline = nil
            return false
        }
        if exitStatus == nil {
            var status: Int32 = 0
            guard waitpid(pid, &status, WNOHANG) == pid else {
                reapDeadline = now + ChildProgram.reapInterval
                let deadline = patienceDeadline ?? now + ChildProgram.patience
                patienceDeadline = deadline
                if now >= deadline { kill(pid, SIGTERM) }
                return false
            }
            exitStatus = status
        }
        reapDeadline = nil
        let status = exitStatus ?? 0
        if status & 0x7F != 0 { throw .failure("\(name) was ended by signal \(status & 0x7F)") }
        if status >> 8 != 0 { throw .failure("\(name) ended with exit status \(status >> 8)") }
        return true
    }
}
