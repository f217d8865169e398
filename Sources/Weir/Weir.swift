/// Exports all modules that users of Weir need, so that they import only this one.
@_exported import WeirCluster
@_exported import WeirDevice
@_exported import WeirGraph
@_exported import WeirOps
@_exported import WeirRuntime
@_exported import WeirTensor
@_exported import WeirTrain
@_exported import WeirWire
