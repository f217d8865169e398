extension SweepResult {
    var learningCurves: String { "" }
    var parallelCoordinates: String { "" }
}
