/// Minimizes a smooth convex function: the limited-memory BFGS method (Liu and Nocedal, 1989), with steps that are halved until they
/// decrease the function enough. The same function gives the same bits.
struct LimitedMemoryBFGS {
    /// The number of past steps that approximate the curvature.
    var memory = 10
    /// The greatest component of the gradient at the minimum.
    var tolerance = 1e-8
    var maximumIterationCount = 2_000

    struct Solution {
        var point: [Double]
        var iterationCount: Int
        /// The greatest component of the gradient.
        var gradientNorm: Double
        var isConverged: Bool
    }

    private struct Step {
        let move: [Double]
        let change: [Double]
        /// 1 / (move · change)
        let scale: Double
    }

    /// - Parameter function: returns the value at a point, and writes the gradient, which has as many components.
    func minimize(from start: [Double], _ function: (_ point: [Double], _ gradient: inout [Double]) -> Double) -> Solution {
        var point = start
        var gradient = [Double](repeating: 0, count: start.count)
        var value = function(point, &gradient)
        var steps: [Step] = []
        var iteration = 0
        while norm(gradient) > tolerance, iteration < maximumIterationCount {
            iteration += 1
            var direction = self.direction(gradient, steps)
            var slope = dot(direction, gradient)
            if slope >= 0 {
                // Rounding has spoilt the curvature: start again with the gradient.
                steps = []
                direction = gradient.map { -$0 }
                slope = -dot(gradient, gradient)
            }
            guard let next = search(point, value, direction, slope, isFirst: steps.isEmpty, function) else { break }
            let move = zip(next.point, point).map { $0 - $1 }
            let change = zip(next.gradient, gradient).map { $0 - $1 }
            let curvature = dot(move, change)
            if curvature > 1e-14 * (dot(move, move) * dot(change, change)).squareRoot() {
                steps.append(Step(move: move, change: change, scale: 1 / curvature))
                if steps.count > memory { steps.removeFirst() }
            }
            (point, value, gradient) = (next.point, next.value, next.gradient)
        }
        return Solution(point: point, iterationCount: iteration, gradientNorm: norm(gradient), isConverged: norm(gradient) <= tolerance)
    }

    /// The inverse of the approximate curvature times the negative gradient (the two-loop recursion).
    private func direction(_ gradient: [Double], _ steps: [Step]) -> [Double] {
        var direction = gradient.map { -$0 }
        var factors: [Double] = []
        for step in steps.reversed() {
            let factor = step.scale * dot(step.move, direction)
            factors.append(factor)
            add(&direction, step.change, -factor)
        }
        if let last = steps.last {
            let scale = 1 / (last.scale * dot(last.change, last.change))
            for index in direction.indices { direction[index] *= scale }
        }
        for (step, factor) in zip(steps, factors.reversed()) { add(&direction, step.move, factor - step.scale * dot(step.change, direction)) }
        return direction
    }

    /// Halves the step until the value decreases enough. Close to the minimum, where the decrease is lost in rounding, the slope has to.
    private func search(
        _ point: [Double], _ value: Double, _ direction: [Double], _ slope: Double, isFirst: Bool,
        _ function: (_ point: [Double], _ gradient: inout [Double]) -> Double
    ) -> (point: [Double], value: Double, gradient: [Double])? {
        var length = isFirst ? min(1, 1 / dot(direction, direction).squareRoot()) : 1
        var gradient = [Double](repeating: 0, count: point.count)
        for _ in 0..<60 {
            var trial = point
            add(&trial, direction, length)
            let found = function(trial, &gradient)
            let isLower = found <= value + 1e-4 * length * slope
            let isFlat = found <= value + 1e-14 * max(1, abs(value)) && abs(dot(gradient, direction)) <= 0.9 * abs(slope)
            if isLower || isFlat { return (trial, found, gradient) }
            length /= 2
        }
        return nil
    }

    private func norm(_ vector: [Double]) -> Double { vector.reduce(0) { max($0, abs($1)) } }

    private func dot(_ one: [Double], _ other: [Double]) -> Double { zip(one, other).reduce(0) { $0 + $1.0 * $1.1 } }

    private func add(_ vector: inout [Double], _ other: [Double], _ factor: Double) {
        for index in vector.indices { vector[index] += other[index] * factor }
    }
}
