import FreshetWire

/// A stream's page as a table for people: every member below its parent of the first stripe.
struct TreeTable {
    private struct Row {
        var member: Int64
        var parent: Int64?
        var cells: [String]
    }

    private var rows: [Int64: Row] = [:]
    private var order: [Int64] = []
    private var head = ""
    private static let titles = [
        "ROLE", "DEPTH", "MBIT/S", "IN TIME", "LOST", "REPAIRED", "LATENCY", "CHILDREN", "UPLINK", "REACH",
        "ADDRESS",
    ]

    /// The table of `page`.
    init(_ page: JSONValue) {
        head = TreeTable.head(page)
        guard case .array(let members)? = page["tree"] else { return }
        for member in members {
            guard let number = TreeTable.integer(member["member"]) else { continue }
            var first: JSONValue?
            if case .array(let places)? = member["places"] { first = places.first }
            rows[number] = Row(
                member: number, parent: TreeTable.integer(first?["parent"]),
                cells: TreeTable.cells(member, depth: TreeTable.integer(first?["depth"])))
            order.append(number)
        }
    }

    private static func integer(_ value: JSONValue?) -> Int64? {
        if case .integer(let number)? = value { return number }
        return nil
    }

    private static func number(_ value: JSONValue?) -> String { integer(value).map { "\($0)" } ?? "-" }

    private static func string(_ value: JSONValue?) -> String {
        if case .string(let text)? = value { return text }
        return "-"
    }

    private static func megabits(_ value: JSONValue?) -> String {
        guard let kilobits = integer(value), kilobits > 0 else { return "-" }
        return "\(kilobits / 1000).\(kilobits % 1000 / 100)"
    }

    private static func cells(_ member: JSONValue, depth: Int64?) -> [String] {
        let role = string(member["role"])
        let isThere = member["connected"] == .boolean(true)
        let shown = role == "source" ? "0" : depth.map { "\($0)" } ?? "-"
        return [
            isThere ? role : "(\(role))", shown, megabits(member["rate"]),
            role == "source" ? "-" : number(member["received"]), number(member["lost"]),
            number(member["repaired"]),
            integer(member["latency"]).map { $0 > 0 ? "\($0) ms" : "-" } ?? "-",
            "\(number(member["children"]))/\(number(member["slots"]))",
            uplink(member), role == "source" ? "-" : string(member["reach"]), string(member["address"]),
        ]
    }

    /// Megabits a second as the member said, or about as many as it measured.
    private static func uplink(_ member: JSONValue) -> String {
        let said = megabits(member["uplink"])
        if said != "-" { return said }
        let measured = megabits(member["measured"])
        return measured == "-" ? measured : "~" + measured
    }

    private static func head(_ page: JSONValue) -> String {
        let state =
            page["ended"] == .boolean(true) ? "over" : integer(page["epoch"]) == 0 ? "no source" : "live"
        return "\(string(page["name"])): \(state), \(number(page["members"])) members, "
            + "\(number(page["viewers"])) viewers, \(megabits(page["rate"])) Mbit/s, "
            + "\(number(page["stripes"])) stripes; moved \(number(page["moved"])), "
            + "regrafted \(number(page["regrafted"])), failed \(number(page["failed"]))"
    }

    /// The table.
    var text: String {
        var children: [Int64: [Int64]] = [:]
        var tops: [Int64] = []
        for member in order {
            if let parent = rows[member]?.parent, rows[parent] != nil {
                children[parent, default: []].append(member)
            } else {
                tops.append(member)
            }
        }
        var lines: [[String]] = [["MEMBER"] + TreeTable.titles]
        var pending = tops.reversed().map { (member: $0, indent: 0) }
        // Bounded by the members, whatever the page says of who is below whom.
        while let next = pending.popLast(), lines.count <= order.count {
            guard let row = rows[next.member] else { continue }
            lines.append([String(repeating: "  ", count: next.indent) + "\(row.member)"] + row.cells)
            for child in (children[next.member] ?? []).reversed() { pending.append((child, next.indent + 1)) }
        }
        var widths = [Int](repeating: 0, count: TreeTable.titles.count + 1)
        for line in lines {
            for (column, cell) in line.enumerated() { widths[column] = max(widths[column], cell.count) }
        }
        let shown = lines.map { line in
            line.enumerated().map { column, cell in
                column == line.count - 1 ? cell : HelpText.padded(cell, widths[column] + 2)
            }.joined()
        }
        return ([head] + shown).joined(separator: "\n")
    }
}
