import Foundation
import WeirTensor

/// The bytes of base64, of which blanks and line ends are left out.
func base64(_ text: String) -> [UInt8] { Data(base64Encoded: text, options: .ignoreUnknownCharacters).map { Array($0) } ?? [] }

/// Copies of bytes with damage: every prefix, and bits changed at every position.
func damaged(_ bytes: [UInt8]) -> [[UInt8]] {
    var copies = (0..<bytes.count).map { Array(bytes.prefix($0)) }
    for position in bytes.indices {
        for change in [1, 0x80, 0xff] as [UInt8] {
            var copy = bytes
            copy[position] ^= change
            copies.append(copy)
        }
    }
    return copies
}

/// The status that `body` throws; nil when it throws none.
func thrownStatus(_ body: () throws -> Void) -> Status? {
    do {
        try body()
        return nil
    } catch { return Status(error) }
}

/// Files that TensorFlow 2.21 and NumPy 2 wrote.
enum Samples {
    // numpy.savez(file, features=numpy.arange(6, dtype='<f4').reshape(3, 2), labels=numpy.array([2, 0, 1], dtype='<i8'))
    static let npz = base64(
        """
        UEsDBC0AAAAAAAAAIQDMypy9//////////8MABQAZmVhdHVyZXMubnB5AQAQAJgAAAAAAAAAmAAAAAAAAACTTlVNUFkBAHYAeydkZXNjcic6ICc8ZjQnLCAn
        Zm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMywgMiksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg
        ICAgICAgICAgCgAAAAAAAIA/AAAAQAAAQEAAAIBAAACgQFBLAwQtAAAAAAAAACEAihrOE///////////CgAUAGxhYmVscy5ucHkBABAAmAAAAAAAAACYAAAA
        AAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzogJzxpOCcsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgzLCksIH0gICAgICAgICAgICAgICAgICAg
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAgAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAUEsBAi0DLQAAAAAAAAAhAMzKnL2YAAAA
        mAAAAAwAAAAAAAAAAAAAAIABAAAAAGZlYXR1cmVzLm5weVBLAQItAy0AAAAAAAAAIQCKGs4TmAAAAJgAAAAKAAAAAAAAAAAAAACAAdYAAABsYWJlbHMubnB5
        UEsFBgAAAAACAAIAcgAAAKoBAAAAAA==
        """)
    // The same with numpy.savez_compressed.
    static let compressedNpz = base64(
        """
        UEsDBC0AAAAIAAAAIQDMypy9//////////8MABQAZmVhdHVyZXMubnB5AQAQAJgAAAAAAAAAVQAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2airqOg
        npZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOgpGmjoKtQpkAy4GMGiwBxIOQATEDUC8wAEAUEsDBC0AAAAIAAAAIQCKGs4T//////////8KABQAbGFi
        ZWxzLm5weQEAEACYAAAAAAAAAEoAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNpoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaxjqaOgq1
        ChQALiYGVMAIpQFQSwECLQMtAAAACAAAACEAzMqcvVUAAACYAAAADAAAAAAAAAAAAAAAgAEAAAAAZmVhdHVyZXMubnB5UEsBAi0DLQAAAAgAAAAhAIoazhNK
        AAAAmAAAAAoAAAAAAAAAAAAAAIABkwAAAGxhYmVscy5ucHlQSwUGAAAAAAIAAgByAAAAGQEAAAAA
        """)
    // gzip.compress of an array of bytes 0 to 11, of shape [2, 2, 3].
    static let idxGzip = base64("H4sIAAAAAAACA2Ng4GBmYGBggmJmBkYmZhZWNnYOTi5uAHgeI4QcAAAA")
    // tf.train.Example: x = [1.5, -2] of floats, y = [-3] of integers, s = [b'ab\xff'] of bytes.
    static let example = base64("CjYKDAoBcxIHCgUKA2Fi/woRCgF4EgwSCgoIAADAPwAAAMAKEwoBeRIOGgwKCv3//////////wE=")
    // Three records: x = [i + 0.5, i], y = [i].
    static let records = base64(
        """
        IQAAAAAAAAABe+z2Ch8KEQoBeBIMEgoKCAAAAD8AAAAACgoKAXkSBRoDCgEAyyzCwiEAAAAAAAAAAXvs9gofChEKAXgSDBIKCggAAMA/AACAPwoKCgF5EgUa
        AwoBAeY0bjohAAAAAAAAAAF77PYKHwoRCgF4EgwSCgoIAAAgQAAAAEAKCgoBeRIFGgMKAQKGc/cd
        """)
    // (numpy.arange(60) * 4 % 256) of shape [4, 5, 3], by tf.io.encode_png.
    static let png = base64(
        """
        iVBORw0KGgoAAAANSUhEUgAAAAUAAAAECAIAAADJUWIXAAAAFElEQVQImWNkYOHgQQIsNjY2pPABiMgEdm1w1r0AAAAASUVORK5CYII=
        """)
    // Its first channel; and the picture with a fourth channel of 7.
    static let greyPNG = base64(
        """
        iVBORw0KGgoAAAANSUhEUgAAAAUAAAAECAAAAABjWKqcAAAAFklEQVQImWNk4OHh4WG04eHh4WFBIgEQ5gF/IHM0PwAAAABJRU5ErkJggg==
        """)
    static let transparentPNG = base64(
        """
        iVBORw0KGgoAAAANSUhEUgAAAAUAAAAECAYAAABGM/VAAAAAGklEQVQImWNkYOFg5+HhYUDGLDY2NgzkCwIAuCAEfYaiS3oAAAAASUVORK5CYII=
        """)
    // 16 bits: numpy.arange(6) * 9000, of shape [2, 3, 1], which TensorFlow decodes as 0, 35, 70, 105, 140, 175.
    static let deepPNG = base64(
        """
        iVBORw0KGgoAAAANSUhEUgAAAAMAAAACEAAAAADoj+WFAAAAFklEQVQImWNkYFDWUNZgzKxQ1lDWAAAL7wIQQwimxQAAAABJRU5ErkJggg==
        """)
    // The picture by tf.io.encode_jpeg with quality 90, and what tf.io.decode_jpeg makes of it with 3 and 1 channels.
    static let jpeg = base64(
        """
        /9j/4AAQSkZJRgABAQEBLAEsAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/
        2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wAARCAAEAAUDASIAAhEBAxEB/8QA
        HwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkK
        FhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXG
        x8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAEC
        AxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOE
        hYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwD3P4e/sSfC
        b+xB/wAU/wCn8S//ABNFFFdBkf/Z
        """)
    static let jpegValues = base64("AAMICw4TFxofJCcsLjE2PUBFSEtQVFdcYGNoa25zeXyBhIeMkJOYnJ+kp6qvtrm+wcTJzdDV2dzh5Ofs")
    static let jpegGreys = base64("Aw4aJzFAS1djbnyHk5+qucTQ3Oc=")
    /// What tf.image.resize makes of the picture with 3 rows of 7, rounded.
    static let resized: [UInt8] = [
        10, 14, 18, 17, 21, 25, 25, 29, 33, 34, 38, 42, 43, 47, 51, 51, 55, 59, 58, 62, 66, 90, 94,
        98, 97, 101, 105, 105, 109, 113, 114, 118, 122, 123, 127, 131, 131, 135, 139, 138, 142, 146,
        170, 174, 178, 177, 181, 185, 185, 189, 193, 194, 198, 202, 203, 207, 211, 211, 215, 219, 218,
        222, 226,
    ]

    static let picture = Tensor((0..<60).map { UInt8($0 * 4 % 256) }, ofShape: [4, 5, 3])
}
