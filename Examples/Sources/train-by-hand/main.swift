// Trains a classifier with variables, gradients and an optimizer, without the ready-made trainer.
import Weir

// The Iris data: four measurements of 150 flowers, of three species. A fifth of the rows is held out for the test.
let table = try Table.iris()
let split = table.fold(0, of: 5, seed: 1)
let train = try split.train.standardized(like: split.train)
let test = try split.test.standardized(like: split.train)

// The model: one hidden layer of 16 units.
let builder = GraphBuilder()
let features = builder.placeholder(.float32, shape: [nil, 4], name: "features")
let labels = builder.placeholder(.int32, shape: [nil], name: "labels")
let w1 = builder.variable("w1") { builder.glorotUniform([4, 16], seed: 1) }
let b1 = builder.variable("b1") { builder.filled([16], with: 0) }
let w2 = builder.variable("w2") { builder.glorotUniform([16, 3], seed: 2) }
let b2 = builder.variable("b2") { builder.filled([3], with: 0) }
let hidden = features.matMul(w1.value).biasAdd(b1.value).relu()
let logits = hidden.matMul(w2.value).biasAdd(b2.value)

// The loss is the mean over the rows of a batch. The accuracy is the fraction of rows that are classified correctly.
let loss = logits.sparseSoftmaxCrossEntropy(labels: labels).mean()
let accuracy = logits.argMax(axis: 1, outputType: .int32).equal(labels).cast(to: .float32).mean()

// `minimize` adds the gradients of the loss, and the update of each parameter from its gradient.
let update = Adam(learningRate: 0.02).minimize(loss, over: [w1, b1, w2, b2])

// Variables are initialized once, those that the optimizer added too.
let session = try await Session(builder.graph())
try await session.run(builder.initializer)

// Each step fetches the loss and runs the update.
for step in 1...100 {
    let value = try await session.run(
        loss, feeding: [features: train.featureTensor, labels: train.labelTensor], targets: [update.operation])
    if step % 20 == 0 { print("step \(step): loss \(try value.scalar(of: Float.self))") }
}

let result = try await session.run(accuracy, feeding: [features: test.featureTensor, labels: test.labelTensor])
let fraction = try result.scalar(of: Float.self)
print("accuracy on \(test.rowCount) held-out rows: \(fraction)")
guard fraction >= 0.9 else { throw Status.internalError("expected an accuracy of at least 0.9, found \(fraction)") }
