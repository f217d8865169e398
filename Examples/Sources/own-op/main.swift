// An op of your own, with a shape, a gradient and a kernel. It runs in sessions and servers that are given its registry.
import Glibc
import Weir

extension OpDefinition {
    /// `ExpScaledMinusOne`: exp(scale · x) - 1 for each element.
    static let expScaledMinusOne = OpDefinition("ExpScaledMinusOne", "(x: T) -> (y: T)", "scale: float = 1.0", "T: {float, double}")
        .shape(ShapeFunctions.unchanged)
        .gradient { g in
            // The derivative is scale · exp(scale · x), which is scale · (y + 1).
            let y = g.outputs[0]
            let scale = g.scalar(Double(g.attributes.float("scale") ?? 1), like: y)
            return [g.op("Mul", g.gradient(), g.op("Mul", scale, g.op("AddV2", y, g.scalar(1, like: y))))]
        }
        .kernel(["T": DTypeSet(.float32, .float64)]) { request in
            let scale = try request.float("scale")
            switch try request.type("T") {
            case .float32: return eachElement { expm1f(scale * $0) }
            case .float64: return eachElement { expm1(Double(scale) * $0) }
            case let type: throw Status.unimplemented("ExpScaledMinusOne: expected float or double, found \(type)")
            }
        }
}

/// A kernel that computes each element of the output from the same element of the input, on all threads.
func eachElement<E: TensorElement>(_ function: @escaping @Sendable (E) -> E) -> Kernel {
    .sync { context in
        let x = context.elements(0, E.self)
        try context.output(0, E.dtype, context.shape(0), reusing: 0).withMutableElements(of: E.self) { y in
            context.pool.parallelFor(x.count, grain: 8192) { range in
                for index in range { y[index] = function(x[index]) }
            }
        }
    }
}

let registry = OpRegistry.standard.adding(.expScaledMinusOne)
let builder = GraphBuilder(registry: registry)
let x = builder.placeholder(.float64, shape: [nil], name: "x")
let y = builder.add("ExpScaledMinusOne", [x], attributes: ["scale": 2.0])[0]
let slope = builder.gradients(of: [y], with: [x])[0] ?? x
let graph = try builder.graph()

// In this process, and on a server that has the op.
let server = try await Server.createLocal(registry: registry)
for target in [Session.Target.inProcess, .server(server)] {
    let session = try await Session(graph, target: target, registry: registry)
    let values = try await session.run([y, slope], feeding: [x: [0.0, 0.5, 1.0]])
    let (found, slopes) = (try values[0].array(of: Double.self), try values[1].array(of: Double.self))
    print("\(target): \(found), slopes \(slopes)")
    for (index, number) in [0.0, 0.5, 1.0].enumerated() {
        guard abs(found[index] - expm1(2 * number)) < 1e-12, abs(slopes[index] - 2 * exp(2 * number)) < 1e-12 else {
            throw Status.internalError("expected exp(2 · \(number)) - 1 and its slope, found \(found[index]) and \(slopes[index])")
        }
    }
}
await server.stop()
