// Trains a classifier with variables, gradients and an optimizer, without the ready-made trainer.
import Weir

// The Iris data: four measurements of 150 flowers, of three species. A fifth of the rows is held out for the test.
let table = try Table.iris()
let split = table.fold(0, of: 5, seed: 1)
let moments = split.train.moments
let train = split.train.standardized(moments)
let test = split.test.standardized(moments)
