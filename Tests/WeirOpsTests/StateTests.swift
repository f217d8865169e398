import Testing
import WeirDevice
import WeirGraph
import WeirTensor

@testable import WeirStateOps
import WeirOps

@Suite struct ReferenceVariableTests {
    @Test func `a variable is empty until it is assigned and keeps its value between runs`() throws {
        let s = try TinySession()
        let v = s.builder.refVariable(.float32, [2], name: "v")
        #expect(try failure { try s.run(v) } == .failedPrecondition("Attempting to use uninitialized value v"))
        #expect(try s.run(v.isVariableInitialized()) == Tensor(false))
        try s.run(v.assign(s.feed([1, 2] as [Float])))
        #expect(try s.run(v.isVariableInitialized()) == Tensor(true))
        #expect(try s.run(v.assignAdd(s.feed([10, 20] as [Float]))).floats == [11, 22])
        #expect(try s.run(v.assignSub(s.feed([1, 1] as [Float]))).floats == [10, 21])
        #expect(try s.run(v).floats == [10, 21])
    }

    @Test func `an update shows in what was read before, and not in what the variable was given`() throws {
        let s = try TinySession()
        let v = s.builder.refVariable(.float32, [2])
        let initial = Tensor([1, 2] as [Float])
        try s.run(v.assign(s.feed(initial)))
        let before = try s.run(v)
        try s.run(v.assignAdd(s.feed([1, 1] as [Float])))
        #expect(before.floats == [2, 3])
        #expect(initial.floats == [1, 2])
        // Who keeps what was read keeps a snapshot.
        let kept = try before.snapshot()
        let address = try s.run(v).bytes.baseAddress
        try s.run(v.assignAdd(s.feed([1, 1] as [Float])))
        #expect(try s.run(v).bytes.baseAddress == address)
        #expect(try s.run(v).floats == [3, 4])
        #expect(kept.floats == [2, 3])
    }

    @Test func `shapes are checked in TensorFlow's words`() throws {
        let s = try TinySession()
        let v = s.builder.refVariable(.float32, .unknown)
        try s.run(v.assign(s.feed([1, 2] as [Float])))
        #expect(
            try failure { try s.run(v.assign(s.feed([1, 2, 3] as [Float]))) }
                == .invalidArgument(
                    "Assign requires shapes of both tensors to match. lhs shape= [2] rhs shape= [3]"))
        #expect(
            try failure { try s.run(v.assignAdd(s.feed([1, 2, 3] as [Float]))) }
                == .invalidArgument("Parameters and update must be the same size"))
        try s.run(v.assign(s.feed([1, 2, 3] as [Float]), validateShape: false))
        #expect(try s.run(v).floats == [1, 2, 3])
    }

    @Test func `variables are shared by name, and made again after a reset`() throws {
        let s = try TinySession()
        func variable(_ container: String, _ shared: String) -> Output {
            s.add(
                "VariableV2", [],
                [
                    "dtype": .type(.int32), "shape": .shape(.scalar), "container": .string(container),
                    "shared_name": .string(shared),
                ])[0]
        }
        let (a, b, other) = (variable("", "x"), variable("", "x"), variable("c", "x"))
        try s.run(a.assign(s.feed(Int32(7))))
        #expect(try s.run(b) == Tensor(Int32(7)))
        #expect(try failure { try s.run(other) }.code == .failedPrecondition)
        s.resources.clear(containers: [])
        #expect(try failure { try s.run(a) }.code == .failedPrecondition)
        #expect(
            try failure { try s.run(variable("!a", "x")) }
                == .invalidArgument("container contains invalid characters: !a"))
        #expect(
            try failure { try s.run(variable("", "_x")) } == .invalidArgument("shared_name cannot start with '_':_x"))
        let double = s.add(
            "VariableV2", [],
            ["dtype": .type(.float64), "shape": .shape(.scalar), "container": "c", "shared_name": "x"])[0]
        #expect(try failure { try s.run(double) }.code == .invalidArgument)
    }

    @Test func `CountUpTo counts up to its limit`() throws {
        let s = try TinySession()
        let v = s.builder.refVariable(.int64, .scalar)
        try s.run(v.assign(s.feed(Int64(1))))
        let count = v.countUpTo(3)
        #expect(try s.run(count) == Tensor(Int64(1)))
        #expect(try s.run(count) == Tensor(Int64(2)))
        #expect(try failure { try s.run(count) } == .outOfRange("Reached limit of 3"))
        #expect(try s.run(v) == Tensor(Int64(3)))
    }

    @Test func `a temporary variable lives until it is destroyed`() throws {
        let s = try TinySession()
        let v = s.add(
            "TemporaryVariable", [], ["dtype": .type(.float32), "shape": .shape([2]), "var_name": "t"])[0]
        let added = v.assignAdd(s.feed([1, 2] as [Float]))
        let last = s.add("DestroyTemporaryVariable", [added], ["var_name": "t"])[0]
        #expect(try s.run(last).floats == [1, 2])
        #expect(try s.run(last).floats == [1, 2])
        let missing = s.add("DestroyTemporaryVariable", [added], ["var_name": "u"])[0]
        #expect(try failure { try s.run(missing) }.code == .notFound)
    }

    @Test func `large variables are updated by several threads`() throws {
        let s = try TinySession(threads: 4)
        let v = s.builder.refVariable(.float32, .unknown)
        let count = 300_001
        try s.run(v.assign(s.feed((0..<count).map(Float.init))))
        let sum = try s.run(v.assignAdd(s.feed([Float](repeating: 1, count: count)))).floats
        #expect(sum.enumerated().allSatisfy { $1 == Float($0 + 1) })
    }
}

@Suite struct ResourceVariableTests {
    @Test func `a handle names a variable that assigning makes`() throws {
        let s = try TinySession()
        let v = s.builder.variableHandle(.float32, [2], name: "r")
        #expect(try s.run(v.isVariableInitialized()) == Tensor(false))
        let missing = try failure { try s.run(v.readVariable()) }
        #expect(missing.code == .failedPrecondition)
        #expect(
            missing.message
                == "Could not find variable r. This could mean that the variable has been deleted. In TF1, it can also "
                + "mean the variable is uninitialized. Debug info: container=localhost, status error message="
                + "Container localhost does not exist. (Could not find resource: localhost/r)")
        #expect(
            try failure { try s.run(v.assignAddVariable(s.feed([1, 2] as [Float]))) }
                == .notFound("Container localhost does not exist. (Could not find resource: localhost/r)"))
        let other = s.builder.variableHandle(.float32, .scalar, name: "other")
        try s.run(other.assignVariable(s.feed(Float(1))))
        #expect(
            try failure { try s.run(v.variableShape()) }
                == .notFound("Resource localhost/r/N10tensorflow3VarE does not exist."))

        try s.run(v.assignVariable(s.feed([1, 2] as [Float])))
        #expect(try s.run(v.isVariableInitialized()) == Tensor(true))
        #expect(try s.run(v.variableShape()) == Tensor([Int32(2)]))
        let read = try s.run(v.readVariable())
        try s.run(v.assignSubVariable(s.feed([1, 1] as [Float])))
        #expect(read.floats == [1, 2])
        #expect(try s.run(v.readVariable()).floats == [0, 1])
        #expect(
            try failure { try s.run(v.assignAddVariable(s.feed([Float](repeating: 1, count: 3)))) }
                == .invalidArgument(
                    "Cannot update variable with shape [2] using a Tensor with shape [3], shapes must be equal."))
    }

    @Test func `kernels notice that a variable is gone`() throws {
        let s = try TinySession()
        let v = s.builder.variableHandle(.float32, .unknown, name: "r")
        let read = v.readVariable()
        let assign = v.assignVariable(s.feed(Float(3)))
        try s.run(assign)
        #expect(try s.run(read) == Tensor(Float(3)))
        try s.run(v.destroyResource())
        #expect(try failure { try s.run(read) }.code == .failedPrecondition)
        try s.run(assign)
        #expect(try s.run(read) == Tensor(Float(3)))
        s.resources.clearAll()
        #expect(try failure { try s.run(read) }.code == .failedPrecondition)
        try s.run(v.destroyResource())
        #expect(try failure { try s.run(v.destroyResource(ignoringMissing: false)) }.code == .notFound)
    }

    @Test func `types and, when asked for, shapes are checked`() throws {
        let s = try TinySession()
        func handle(_ dtype: DType) -> Output {
            s.add(
                "VarHandleOp", [], ["dtype": .type(dtype), "shape": .shape(.unknown), "shared_name": "r"])[0]
        }
        let (v, wrong) = (handle(.float32), handle(.int32))
        try s.run(v.assignVariable(s.feed([1, 2, 3] as [Float])))
        #expect(
            try failure { try s.run(wrong.assignVariable(s.feed(Int32(1)))) }
                == .invalidArgument("Trying to assign variable with wrong dtype. Expected float got int32"))
        #expect(
            try failure { try s.run(wrong.readVariable()) }
                == .invalidArgument("Trying to read variable with wrong dtype. Expected int32 got float"))
        let strict = s.add("AssignVariableOp", [v, s.feed([1, 2] as [Float])], ["validate_shape": true])
        #expect(
            try failure { try s.run(strict) }
                == .invalidArgument(
                    "Trying to assign to variable with tensor with wrong shape. Expected [3] got [2]"))
        try s.run(v.assignVariable(s.feed([1, 2] as [Float])))
        #expect(try s.run(v.readVariable()).floats == [1, 2])
    }

    @Test func `an anonymous variable is a new one at every run`() throws {
        let s = try TinySession()
        let v = s.add(
            "VarHandleOp", [],
            [
                "dtype": .type(.float32), "shape": .shape(.scalar),
                "shared_name": "cd2c89b7-88b7-44c8-ad83-06c2a9158347",
            ])[0]
        let assigned = v.assignVariable(s.feed(Float(1)))
        let added = s.builder.controlDependencies([assigned]) { v.assignAddVariable(s.feed(Float(1))) }
        let read = s.builder.controlDependencies([added]) { v.readVariable() }
        #expect(try s.run(read) == Tensor(Float(2)))
        #expect(try s.run(read) == Tensor(Float(2)))
        #expect(try s.run(s.add("IsResourceHandleRefCounting", [v])[0]) == Tensor(true))
        #expect(try s.run(v.isVariableInitialized()) == Tensor(false))
        #expect(try failure { try s.run(v.readVariable()) }.message.contains("uninitialized"))
        #expect(s.resources.count == 0)
    }

    @Test func `a handle of another device or kind is refused`() throws {
        let s = try TinySession()
        let elsewhere = s.feed(
            Tensor(
                ResourceHandle(
                    device: "/job:x/replica:0/task:0/device:CPU:0", container: "c", name: "n", typeName: "")))
        #expect(
            try failure { try s.run(s.add("VariableShape", [elsewhere])[0]) }.message
                == "Trying to access resource n located in device /job:x/replica:0/task:0/device:CPU:0 from device "
                + "/job:localhost/replica:0/task:0/device:CPU:0")
        let table = s.builder.mutableHashTable(.string, .int64, name: "t")
        let confused = try failure { try s.run(s.add("VariableShape", [table])[0]) }
        #expect(confused.code == .invalidArgument)
        #expect(confused.message.contains("of type 'tensorflow::lookup::LookupInterface'"))
        #expect(confused.message.contains("as type 'tensorflow::Var'"))
        let none = s.feed(Tensor([ResourceHandle]()))
        #expect(try failure { try s.run(s.add("VariableShape", [none])[0]) }.code == .invalidArgument)
    }

    @Test func `several variables are handled at once`() throws {
        let s = try TinySession()
        let handles = s.add(
            "_VarHandlesOp", [],
            [
                "containers": .strings(["", ""]), "shared_names": .strings(["a", "b"]), "N": 2,
                "dtypes": .types([.float32, .int32]), "shapes": .shapes([.scalar, [2]]),
            ])
        try s.run(handles[0].assignVariable(s.feed(Float(1))))
        try s.run(handles[1].assignVariable(s.feed([1, 2] as [Int32])))
        let read = s.add("_ReadVariablesOp", [handles[0], handles[1]], ["dtypes": .types([.float32, .int32])])
        #expect(try s.run([read[0], read[1]]) == [Tensor(Float(1)), Tensor([1, 2] as [Int32])])
        #expect(read[1].shape == [2])
    }

    @Test func `ResourceCountUpTo counts and keeps what was read`() throws {
        let s = try TinySession()
        let v = s.builder.variableHandle(.int32, .scalar)
        try s.run(v.assignVariable(s.feed(Int32(2))))
        let count = s.add("ResourceCountUpTo", [v], ["limit": 3, "T": .type(.int32)])[0]
        #expect(try s.run(count) == Tensor(Int32(2)))
        #expect(try failure { try s.run(count) } == .outOfRange("Reached limit of 3"))
    }

    @Test func `shapes and types follow the handle while building`() throws {
        let s = try TinySession()
        let v = s.builder.variableHandle(.float32, [3, 4])
        #expect(v.readVariable().shape == [3, 4])
        #expect(v.variableShape().shape == [2])
        #expect(v.gatherVariable(s.builder.constant(Tensor([0] as [Int32]))).shape == [1, 4])
        #expect(s.builder.failure == nil)
        v.assignVariable(s.builder.constant(Tensor([1, 2] as [Float])))
        #expect(s.builder.failure?.code == .invalidArgument)
    }

    @Test func `the gradient of a read is that of the value`() throws {
        let s = try TinySession()
        let v = s.builder.variableHandle(.float32, .scalar)
        let gradient = try #require(s.builder.gradients(of: [v.readVariable()], with: [v])[0])
        #expect(try s.run(gradient) == Tensor(Float(1)))
    }
}
