package import WeirTensor

/// Writes TensorFlow's TFRecord format: records with their lengths and checksums.
///
/// Readers can read the file up to the last flushed record at any time. The mode `append` continues an existing file.
package final class RecordWriter {
    private let file: OutputFile

    package init(_ path: String, _ mode: OutputFile.Mode = .replace) throws(Status) {
        file = try OutputFile(path, mode)
    }

    package var path: String { file.path }
    /// The offset of the next record in the file.
    package var offset: Int { file.byteCount }

    package func append(_ record: [UInt8]) throws(Status) {
        var frame: [UInt8] = []
        frame.reserveCapacity(RecordFrame.headerSize)
        frame.appendLittleEndian(UInt64(record.count))
        frame.appendLittleEndian(CRC32C.mask(CRC32C.checksum(frame)))
        try file.append(frame)
        try file.append(record)
        frame.removeAll(keepingCapacity: true)
        frame.appendLittleEndian(CRC32C.mask(CRC32C.checksum(record)))
        try file.append(frame)
    }

    /// Writes all records to the system, so that readers see them.
    package func flush() throws(Status) { try file.flush() }
    /// Waits until all records are on the disk.
    package func sync() throws(Status) { try file.sync() }
    package func close() throws(Status) { try file.close() }
}

/// A record consists of its length (8 bytes), the masked CRC of these 8 bytes, the data, and the masked CRC of the data.
enum RecordFrame {
    static let headerSize = 12
    static let footerSize = 4
}
