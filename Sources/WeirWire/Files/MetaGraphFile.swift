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

    /// The graph of a saved model that was made for training, or its only graph.
    private static func chosen(of model: TFSavedModel) throws(Status) -> TFMetaGraphDef {
        if let training = model.metaGraphs.first(where: { $0.metaInfoDef.tags.contains("train") }) { return training }
        guard model.metaGraphs.count == 1, let only = model.metaGraphs.first else {
            let tags = model.metaGraphs.map { "{\($0.metaInfoDef.tags.joined(separator: ", "))}" }.joined(separator: ", ")
            throw .invalidArgument("A saved model must have a graph with the tag 'train', or one graph; found \(model.metaGraphs.count) with the tags \(tags)")
        }
        return only
    }

    private init(_ message: TFMetaGraphDef, _ variants: VariantDecoders) throws(Status) {
        self.init(graph: try GraphDefinition(message.graphDef, variants: variants))
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
        signatures = message.signatureDef.mapValues { signature in
            Signature(inputs: signature.inputs.mapValues(\.name), outputs: signature.outputs.mapValues(\.name))
        }
    }
}

extension MetaGraphDefinition.VariableEntry {
    fileprivate init(_ message: TFVariableDef) {
        self.init(name: message.variableName, initializer: message.initializerName)
    }
}
