import Foundation
import TestSupport

/// The command lines of the programs that people use beside Freshet.
enum Peers {
    private static let caps =
        "application/x-rtp,media=video,clock-rate=90000,encoding-name=MP2T,payload=33"
    private static let transportStreamCaps = "video/mpegts,systemstream=true,packetsize=188"

    // MARK: receivers; each writes what it gets to `output`

    /// GStreamer writes the stream as it came.
    static func gstreamerReceive(_ place: Place, _ scheme: String, _ output: String) -> [String] {
        let source = ["udpsrc", "address=\(place.address)", "port=\(place.port)", "buffer-size=4194304"]
        if scheme == "udp" {
            return ["gst-launch-1.0", "-q", "-e"] + source + [
                "caps=\(transportStreamCaps)", "!", "filesink", "location=\(output)",
                "buffer-mode=unbuffered",
            ]
        }
        return ["gst-launch-1.0", "-q", "-e"] + source + [
            "caps=\(caps)", "!", "rtpjitterbuffer", "latency=200", "!", "rtpmp2tdepay", "!", "filesink",
            "location=\(output)", "buffer-mode=unbuffered",
        ]
    }

    /// multicat writes the stream as it came, in whole datagrams of 1316 bytes.
    static func multicatReceive(_ place: Place, _ scheme: String, _ output: String) -> [String] {
        ["multicat"] + (scheme == "udp" ? ["-u"] : []) + ["@\(place.address):\(place.port)", output]
    }

    /// FFmpeg copies bare UDP as it came; RTP it takes apart and puts together anew.
    static func ffmpegReceive(_ place: Place, _ scheme: String, _ output: String) -> [String] {
        let start = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]
        let address = "\(scheme)://\(place.host):\(place.port)"
        if scheme == "udp" {
            return start + [
                "-f", "data", "-i", "\(address)?fifo_size=200000&timeout=2000000", "-map", "0", "-c", "copy",
                "-f", "data",
                output,
            ]
        }
        return start + [
            "-i", "\(address)?buffer_size=4194304", "-map", "0", "-c", "copy", "-f", "mpegts", output,
        ]
    }

    /// VLC dumps bare UDP as it came; RTP it takes apart and puts together anew. Run it as a user, not as root.
    static func vlcReceive(_ place: Place, _ scheme: String, _ output: String) -> [String] {
        let start = ["cvlc", "-q", "--no-dbus", "\(scheme)://@\(place.host):\(place.port)"]
        if scheme == "udp" { return start + ["--demux", "dump", "--demuxdump-file", output] }
        return start + ["--sout", "#std{access=file,mux=ts,dst=\(output)}"]
    }

    // MARK: senders of a transport stream file

    /// GStreamer sends the bytes as they are, at a constant rate in bytes a second.
    static func gstreamerSend(_ input: String, _ place: Place, _ scheme: String, bytesPerSecond: Int)
        -> [String]
    {
        [
            "gst-launch-1.0", "-q", "filesrc", "location=\(input)", "blocksize=1316", "!",
            transportStreamCaps, "!",
        ]
            + ["identity", "datarate=\(bytesPerSecond)", "!"] + (scheme == "rtp" ? ["rtpmp2tpay", "!"] : [])
            + ["udpsink", "host=\(place.address)", "port=\(place.port)", "sync=true"]
    }

    /// multicat sends the bytes as they are, by the file that `ingests` made beside `input`.
    static func multicatSend(_ input: String, _ place: Place, _ scheme: String) -> [String] {
        ["multicat"] + (scheme == "udp" ? ["-U"] : []) + [
            "-p", "256", input, "\(place.address):\(place.port)",
        ]
    }

    /// FFmpeg muxes anew. (Told to copy bytes, it sends datagrams that end inside a TS packet.)
    static func ffmpegSend(_ input: String, _ place: Place, _ scheme: String) -> [String] {
        let address = "\(scheme)://\(place.host):\(place.port)?pkt_size=1316"
        return [
            "ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-re", "-i", input, "-map", "0", "-c",
            "copy",
        ]
            + ["-f", scheme == "udp" ? "mpegts" : "rtp_mpegts", address]
    }

    /// VLC muxes anew.
    static func vlcSend(_ input: String, _ place: Place, _ scheme: String) -> [String] {
        let output =
            scheme == "udp"
            ? "#std{access=udp,mux=ts,dst=\(place.host):\(place.port)}"
            : "#rtp{dst=\(place.address),port=\(place.port),mux=ts}"
        return ["cvlc", "-q", "--no-dbus", input, "--sout", output, "vlc://quit"]
    }
}
