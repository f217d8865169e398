import Glibc
package import WeirTensor

/// A shared library that is opened while the process runs. It stays open until the process ends, because its functions may be
/// running on any thread.
package final class DynamicLibrary: @unchecked Sendable {  // dlsym may be called from any thread
    /// Where the loader found it.
    package let path: String
    private let handle: UnsafeMutableRawPointer

    /// Opens a library.
    /// - Parameter name: a path, or a file name that the loader looks up in its own folders.
    /// - Throws: `notFound` with the loader's reason.
    package init(_ name: String) throws(Status) {
        guard let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
            throw .notFound(dlerror().map { String(cString: $0) } ?? "\(name): cannot be opened")
        }
        self.handle = handle
        path = DynamicLibrary.path(of: handle) ?? name
    }

    /// Returns a function of the library.
    /// - Parameter type: its type, a `@convention(c)` function.
    /// - Throws: `notFound` when the library has no such function.
    package func function<F>(_ name: String, as type: F.Type = F.self) throws(Status) -> F {
        guard let address = dlsym(handle, name) else { throw .notFound("\(path) has no function \(name)") }
        return unsafeBitCast(address, to: type)
    }

    /// The path that the loader knows, for a library that was found by its name. The module of the C library does not declare
    /// `dlinfo`; request 2 gives the loader's entry, whose second word is the path.
    private static func path(of handle: UnsafeMutableRawPointer) -> String? {
        typealias Info = @convention(c) (UnsafeMutableRawPointer, Int32, UnsafeMutableRawPointer) -> Int32
        guard let symbol = dlsym(nil, "dlinfo") else { return nil }
        var entry: UnsafePointer<UnsafePointer<CChar>?>?
        guard unsafeBitCast(symbol, to: Info.self)(handle, 2, &entry) == 0, let name = entry?[1] else { return nil }
        return String(cString: name)
    }
}
