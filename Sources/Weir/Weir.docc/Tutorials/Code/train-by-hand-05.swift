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
