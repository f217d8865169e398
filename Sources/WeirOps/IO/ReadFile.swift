import WeirGraph
import WeirKernels
import WeirTensor
import WeirWire

extension OpDefinition {
    /// Reads a whole file as one string.
    static let readFile = OpDefinition("ReadFile", "(filename: string) -> (contents: string)")
        .readingFiles()
        .shape { c in
            try c.requireRank(0, 0)
            c.setOutput(0, .scalar)
        }
        .kernel { _ in
            .sync { context in
                let path = try scalarText(context.input(0), "Input filename tensor must be scalar, but had shape: ")
                context.setOutput(0, Tensor(ByteString(try InputFile.contents(of: path.description))))
            }
        }

    /// Writes a whole file, and creates its directory if it is missing. An old file stays until the new one is complete.
    static let writeFile = OpDefinition("WriteFile", "(filename: string, contents: string) -> ()")
        .stateful()
        .shape { c in
            try c.requireRank(0, 0)
            try c.requireRank(1, 0)
        }
        .kernel { _ in
            .sync { context in
                let name = try scalarText(context.input(0), "Input filename tensor must be scalar, but had shape: ")
                let contents = try scalarText(context.input(1), "Contents tensor must be scalar, but had shape: ")
                let path = name.description
                try FileSystem.createDirectory(FileSystem.directory(of: path))
                try AtomicFile.write(contents.bytes, to: path)
            }
        }
}

/// Returns the string of a scalar.
/// - Throws: `invalidArgument` with the text `problem` if the tensor is no scalar.
private func scalarText(_ tensor: Tensor, _ problem: String) throws -> ByteString {
    guard tensor.rank == 0 else { throw Status.invalidArgument("\(problem)\(tensor.shape)") }
    return tensor.elements(ByteString.self)[0]
}
