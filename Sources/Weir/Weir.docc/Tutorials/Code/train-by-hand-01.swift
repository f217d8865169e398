// Trains a classifier with variables, gradients and an optimizer, without the ready-made trainer.
import Weir
