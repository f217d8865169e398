#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import SwiftProtobuf
package import WeirGraph
import WeirProto
package import WeirTensor

// Meta graphs as files of TensorFlow.

extension MetaGraphDefinition {
    /// Encodes the graph as `SavedModel`, with this graph only.
    /// - Throws: `invalidArgument` when the graph has more than 2 GiB, or an attribute cannot be serialized.
    package func serializedSavedModel() throws(Status) -> [UInt8] {
        var writer = WireWriter()
        writer.field(1, Int64(1))
        writer.always(2, try serialized())
        return writer.bytes
    }

    /// Encodes the graph as `MetaGraphDef`.
    /// - Throws: as `serializedSavedModel`.
    package func serialized() throws(Status) -> [UInt8] {
        var message = TFMetaGraphDef()
        message.graphDef = try TFGraphDef(graph)
        for (name, items) in collections { message.collectionDef[name] = TFCollectionDef(nodes: items) }
        let trained = Set((trainableVariables ?? []).map(\.name))
        for (name, entries) in [("variables", variables), ("trainable_variables", trainableVariables)] {
            if let entries { message.collectionDef[name] = try TFCollectionDef(entries, trained: trained) }
        }
        for (name, signature) in signatures {
            var definition = TFSignatureDef()
            definition.inputs = signature.inputs.mapValues(TFTensorInfo.init)
            definition.outputs = signature.outputs.mapValues(TFTensorInfo.init)
            definition.methodName = signature.method
            message.signatureDef[name] = definition
        }
        // The fields that the message is declared without follow it. They are in another order than the numbers', which protobuf allows.
        var others = WireWriter()
        others.message(1) { info in
            info.field(1, "v1")
            for tag in tags { info.always(4, tag.utf8) }
            info.field(5, "2.21.0")
        }
        if let saver {
            others.message(3) { definition in
                definition.field(1, saver.fileName)
                definition.field(2, saver.save)
                definition.field(3, saver.restore)
                definition.field(4, Int64(5))
                // Version 2 of the format of checkpoints.
                definition.field(7, Int64(2))
            }
        }
        for asset in assets {
            others.message(6) { definition in
                definition.message(1) { $0.field(1, asset.tensor) }
                definition.field(2, asset.fileName)
            }
        }
        return try message.bytes() + others.bytes
    }
}

extension TFTensorInfo {
    fileprivate init(_ entry: MetaGraphDefinition.TensorEntry) {
        self.init()
        name = entry.name
        if let dtype = entry.dtype { self.dtype = TFDataType(dtype) }
        tensorShape = TFTensorShapeProto(entry.shape)
    }
}

extension TFCollectionDef {
    fileprivate init(nodes: [String]) {
        self.init()
        var list = NodeList()
        list.value = nodes
        kind = .nodeList(list)
    }

    fileprivate init(_ variables: [MetaGraphDefinition.VariableEntry], trained: Set<String>) throws(Status) {
        self.init()
        var list = BytesList()
        for variable in variables {
            var message = TFVariableDef()
            message.variableName = variable.name
            message.initializerName = variable.initializer
            message.snapshotName = variable.snapshot
            message.isResource = true
            message.trainable = trained.contains(variable.name)
            list.value.append(Data(try message.bytes()))
        }
        kind = .bytesList(list)
    }
}
