/// A member whose place in the network is known: the round trip to it says where another is.
public struct Landmark: Equatable, Sendable {
    /// Where it answers a HELLO.
    public var address: PeerAddress
    /// Where it is in the network.
    public var coordinate: NetworkCoordinate

    /// The landmark at `address`.
    public init(address: PeerAddress, coordinate: NetworkCoordinate) {
        self.address = address
        self.coordinate = coordinate
    }
}

/// The coordinator asks a member to measure the way to some others, and so to find its own place.
public struct SurveyMessage: Equatable, Sendable {
    /// How many landmarks a message may name.
    public static let landmarkLimit = 32
    /// Whom to say HELLO to.
    public var landmarks: [Landmark] = []

    /// A survey of nothing.
    public init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        for landmark in try fields.objects("landmarks", countLimit: SurveyMessage.landmarkLimit) {
            let address = try landmark.address(try landmark.string("address", byteCountLimit: 64))
            guard let coordinate = try landmark.coordinate("coordinate") else {
                throw JSONError("a landmark lacks 'coordinate'")
            }
            landmarks.append(Landmark(address: address, coordinate: coordinate))
        }
    }

    func write(into writer: inout JSONWriter) {
        writer.array("landmarks") { writer in
            for landmark in landmarks {
                writer.object { writer in
                    writer.member("address", landmark.address.description)
                    writer.member("coordinate", landmark.coordinate)
                }
            }
        }
    }
}
