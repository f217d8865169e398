// Feeds, fetches, conditionals, loops, and the gradient of a loop.
import Weir

let builder = GraphBuilder()
let a = builder.placeholder(.float32, shape: [], name: "a")

// Newton's method for the square root of `a`. The body may run any number of times: the graph has one loop, not copies of
// the body. The loop variables are an iteration counter and the estimate.
let results = builder.whileLoop([builder.constant(0), builder.constant(1.0)]) { variables in
    variables[0].less(20)
} body: { variables in
    let estimate = variables[1]
    return [variables[0] + 1, 0.5 * (estimate + a / estimate)]
}
let root = results[1]

// Only the branch that the condition selects runs.
let size = builder.cond(a.greater(100)) {
    [builder.constant("large")]
} else: {
    [builder.constant("small")]
}[0]

// The gradient of a loop is a second loop, which runs the iterations backwards.
guard let slope = builder.gradients(of: [root], with: [a])[0] else {
    throw Status.internalError("the root does not depend on a")
}

let session = try await Session(builder.graph())

// One step computes all fetches of an array or a dictionary, and each node once.
let values = try await session.run(["root": root, "slope": slope, "size": size], feeding: [a: 16])
for (name, value) in values.sorted(by: { $0.key < $1.key }) { print("\(name): \(value.summary(1))") }

// A feed replaces any output, not only a placeholder. Here the loop does not run, because nothing needs its result.
let doubled = root * 2
try await session.extend(to: builder.graph())
let fed = try await session.run(doubled, feeding: [root: 21])
print("with a fed root:", fed.summary(1))

func number(_ name: String) throws -> Float { try values[name]?.scalar(of: Float.self) ?? .nan }
let (rootValue, slopeValue) = try (number("root"), number("slope"))
guard abs(rootValue - 4) < 1e-5, abs(slopeValue - 0.125) < 1e-5, values["size"] == Tensor("small"), fed == Tensor(42 as Float)
else {
    throw Status.internalError("expected 4, 0.125, small and 42, found \(values) and \(fed)")
}
