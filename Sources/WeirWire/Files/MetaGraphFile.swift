import SwiftProtobuf
package import WeirGraph
import WeirProto
package import WeirTensor

// Files of graphs with what a training program knows of them.

extension MetaGraphDefinition {
    /// Reads a file of one of these kinds:
    /// - a `GraphDef`, in binary or text format: a meta graph without collections;
    /// - a `MetaGraphDef`: in binary format in a file whose name ends in `.meta`, or in text format;
    /// - a saved model: its folder, `saved_model.pb` or `saved_model.pbtxt`.
    /// - Throws: `notFound` when the file does not exist; `invalidArgument` when it is none of these. The message names the file.
    package init(contentsOf path: String, variants: VariantDecoders = .none) throws(Status) {
        let file = MetaGraphDefinition.file(of: path)
        let bytes = try InputFile.contents(of: file)
        let isText = file.hasSuffix(".pbtxt") || file.hasSuffix(".txt") || GraphDefinition.looksLikeText(bytes)
        do {
            switch isText ? Kind(text: bytes) : Kind(name: file) {
            case .graph:
                let text = String(decoding: bytes, as: UTF8.self)
                self.init(graph: isText ? try GraphDefinition(text: text, variants: variants) : try GraphDefinition(serialized: bytes, variants: variants))
            case .metaGraph:
                try self.init(isText ? try MetaGraphDefinition.parse(bytes) : try TFMetaGraphDef(parsing: bytes), variants)
            case .savedModel:
                let model: TFSavedModel = isText ? try MetaGraphDefinition.parse(bytes) : try TFSavedModel(parsing: bytes)
                try self.init(try MetaGraphDefinition.chosen(of: model), variants)
            }
        } catch {
            throw Status(error.code, "\(file): \(error.message)")
        }
    }

    /// What a file holds.
    private enum Kind {
        case graph, metaGraph, savedModel

        /// The kind of a binary file. The messages cannot be told apart by their bytes.
        init(name: String) {
            self = name.hasSuffix(".meta") ? .metaGraph : name.hasSuffix("saved_model.pb") ? .savedModel : .graph
        }

        /// The kind of a text, by its first field.
        init(text: [UInt8]) {
            let first =
                text.split(separator: UInt8(ascii: "\n")).lazy
                .map { $0.drop { $0 <= 0x20 } }.first { !$0.isEmpty && $0.first != UInt8(ascii: "#") }
            let word = String(decoding: first?.prefix { $0 == UInt8(ascii: "_") || (97...122).contains($0) } ?? [], as: UTF8.self)
            switch word {
            case "meta_info_def", "graph_def", "saver_def", "collection_def", "signature_def": self = .metaGraph
            case "saved_model_schema_version", "meta_graphs": self = .savedModel
            default: self = .graph
            }
        }
    }

    /// The file to read: a saved model may be named by its folder.
    private static func file(of path: String) -> String {
        for name in ["saved_model.pb", "saved_model.pbtxt"] where (try? InputFile("\(path)/\(name)")) != nil { return "\(path)/\(name)" }
        return path
    }

    private static func parse<Message: SwiftProtobuf.Message>(_ bytes: [UInt8]) throws(Status) -> Message {
        let text = String(decoding: bytes, as: UTF8.self)
        // The messages are declared with the fields that Weir reads.
        var options = TextFormatDecodingOptions()
        options.ignoreUnknownFields = true
        do { return try Message(textFormatString: text, options: options) } catch {
            throw .invalidArgument("Not a \(Message.protoMessageName) in text format: \(error)")
        }
    }

    /// Reads the graph with these tags of a saved model.
    /// - Parameters:
    ///   - directory: the saved model's folder.
    ///   - tags: nil means `serve` or, without such a graph, the only one.
    /// - Throws: `notFound` when there is no saved model, or it has no such graph; `invalidArgument` when it is malformed.
    package init(savedModel directory: String, tags: Set<String>?, variants: VariantDecoders = .none) throws(Status) {
        let file = MetaGraphDefinition.file(of: directory)
        guard file != directory else {
            throw .notFound("\(directory): expected the folder of a saved model, found no saved_model.pb or saved_model.pbtxt in it")
        }
        let bytes = try InputFile.contents(of: file)
        do throws(Status) {
            let model: TFSavedModel = file.hasSuffix(".pbtxt") ? try MetaGraphDefinition.parse(bytes) : try TFSavedModel(parsing: bytes)
            let wanted = tags ?? ["serve"]
            let only = tags == nil && model.metaGraphs.count == 1 ? model.metaGraphs.first : nil
            guard let found = model.metaGraphs.first(where: { Set($0.metaInfoDef.tags) == wanted }) ?? only else {
                throw .notFound(
                    "expected a graph with the tags {\(wanted.sorted().joined(separator: ", "))}, found \(MetaGraphDefinition.tagLists(of: model))")
            }
            try self.init(found, variants)
        } catch {
            throw Status(error.code, "\(file): \(error.message)")
        }
    }

    private static func tagLists(of model: TFSavedModel) -> String {
        model.metaGraphs.map { "{\($0.metaInfoDef.tags.joined(separator: ", "))}" }.joined(separator: ", ")
    }

    /// The graph of a saved model that was made for training, or its only graph.
    private static func chosen(of model: TFSavedModel) throws(Status) -> TFMetaGraphDef {
        if let training = model.metaGraphs.first(where: { $0.metaInfoDef.tags.contains("train") }) { return training }
        guard model.metaGraphs.count == 1, let only = model.metaGraphs.first else {
            throw .invalidArgument(
                "A saved model must have a graph with the tag 'train', or one graph; found \(model.metaGraphs.count) with the tags \(tagLists(of: model))")
        }
        return only
    }

    private init(_ message: TFMetaGraphDef, _ variants: VariantDecoders) throws(Status) {
        self.init(graph: try GraphDefinition(message.graphDef, variants: variants))
        tags = message.metaInfoDef.tags
        for (name, collection) in message.collectionDef {
            switch collection.kind {
            case .nodeList(let list): collections[name] = list.value
            case .bytesList(let list):
                // Other collections hold messages that Weir does not read.
                guard name == "trainable_variables" || name == "variables" else { continue }
                var entries: [VariableEntry] = []
                for bytes in list.value { entries.append(VariableEntry(try TFVariableDef(parsing: Array(bytes)))) }
                if name == "variables" { variables = entries } else { trainableVariables = entries }
            case .int64List, .floatList, nil: continue
            }
        }
        for (name, signature) in message.signatureDef {
            signatures[name] = Signature(
                inputs: try MetaGraphDefinition.tensors(signature.inputs), outputs: try MetaGraphDefinition.tensors(signature.outputs),
                method: signature.methodName)
        }
        try readOtherFields(Array(message.unknownFields.data))
    }

    private static func tensors(_ messages: [String: TFTensorInfo]) throws(Status) -> [String: TensorEntry] {
        var result: [String: TensorEntry] = [:]
        for (name, message) in messages {
            result[name] = TensorEntry(name: message.name, dtype: DType(withoutReference: message.dtype), shape: try PartialShape(message.tensorShape))
        }
        return result
    }

    /// Reads the fields that the message is declared without: the saver and the assets.
    private mutating func readOtherFields(_ bytes: [UInt8]) throws(Status) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            guard case .bytes(let value) = field.value else { continue }
            if field.number == 3 { saver = try SaverEntry(reading: value) }
            if field.number == 6 { assets.append(try AssetEntry(reading: value)) }
        }
    }
}

extension MetaGraphDefinition.SaverEntry {
    fileprivate init(reading bytes: ArraySlice<UInt8>) throws(Status) {
        self.init(fileName: "", save: "", restore: "")
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let value)): fileName = String(decoding: value, as: UTF8.self)
            case (2, .bytes(let value)): save = String(decoding: value, as: UTF8.self)
            case (3, .bytes(let value)): restore = String(decoding: value, as: UTF8.self)
            default: break
            }
        }
    }
}

extension MetaGraphDefinition.AssetEntry {
    fileprivate init(reading bytes: ArraySlice<UInt8>) throws(Status) {
        self.init(tensor: "", fileName: "")
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let value)): tensor = try TFTensorInfo(parsing: Array(value)).name
            case (2, .bytes(let value)): fileName = String(decoding: value, as: UTF8.self)
            default: break
            }
        }
    }
}

extension MetaGraphDefinition.VariableEntry {
    fileprivate init(_ message: TFVariableDef) {
        self.init(name: message.variableName, initializer: message.initializerName, snapshot: message.snapshotName)
    }
}
