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
