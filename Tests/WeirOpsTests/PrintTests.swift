import Testing

@testable import WeirControlOps

import Glibc

@Suite("Printed text")
struct PrintTests {
    @Test func `Text is written whole though signals interrupt it`() {
        var (calls, written) = (0, [UInt8]())
        writeAll(Array("abcdef".utf8)) { rest in
            calls += 1
            guard calls % 2 == 0 else {
                errno = EINTR
                return -1
            }
            written += rest.prefix(4)
            return min(4, rest.count)
        }
        #expect(written == Array("abcdef".utf8) && calls == 4)
    }

    @Test func `Writing ends at any other error`() {
        var calls = 0
        writeAll([1, 2]) { _ in
            calls += 1
            errno = EPIPE
            return -1
        }
        #expect(calls == 1)
    }
}
