import Glibc
import Testing
import WeirTensor

@testable import WeirTrain

@Suite("Agents")
struct AgentTests {
    @Test("a replay buffer keeps the last rows whole, and draws all of them")
    func ring() throws {
        var buffer = ReplayBuffer(capacity: 5, seed: 1)
        let empty = #expect(throws: Status.self) { try buffer.sample(1) }
        #expect(empty?.code == .failedPrecondition)
        for start in stride(from: 0, to: 12, by: 3) {
            let numbers = (start..<start + 3).map { Float($0) }
            try buffer.insert([Tensor(numbers), Tensor(numbers.flatMap { [$0, -$0] }, shape: [3, 2])])
        }
        #expect(buffer.count == 5)
        let drawn = try buffer.sample(200)
        let numbers = try drawn[0].array(of: Float.self)
        #expect(Set(numbers) == [7, 8, 9, 10, 11])
        #expect(try drawn[1].array(of: Float.self) == numbers.flatMap { [$0, -$0] })
        // More rows at a time than there is room for.
        try buffer.insert([Tensor((20..<28).map { Float($0) }), Tensor([Float](repeating: 0, count: 16), shape: [8, 2])])
        #expect(try Set(buffer.sample(200)[0].array(of: Float.self)) == [23, 24, 25, 26, 27])
    }

    @Test("equal seeds draw equal batches")
    func seededBatches() throws {
        var buffers = [3, 3, 4].map { ReplayBuffer(capacity: 100, seed: $0) }
        for index in buffers.indices { try buffers[index].insert([Tensor((0..<50).map { Int32($0) })]) }
        let batches = try buffers.indices.map { try buffers[$0].sample(20)[0].array(of: Int32.self) }
        #expect(batches[0] == batches[1] && batches[0] != batches[2])
    }

    @Test("rows that are not like those before are refused")
    func otherRows() throws {
        var buffer = ReplayBuffer(capacity: 4, seed: 1)
        try buffer.insert([Tensor([1, 2] as [Float])])
        for rows in [[Tensor([1] as [Int32])], [Tensor([1] as [Float]), Tensor([1] as [Float])], [Tensor(1 as Float)], []] {
            let error = #expect(throws: Status.self) { try buffer.insert(rows) }
            #expect(error?.code == .invalidArgument)
        }
        #expect(buffer.count == 2)
    }

    @Test("returns are the discounted sums of the rewards that follow")
    func returns() {
        #expect(Reinforce.returns([1, 2, 4], 0.5) == [3, 4, 4])
        #expect(Reinforce.returns([], 0.5).isEmpty)
    }

    @Test("actions are drawn by their probabilities")
    func drawn() {
        let scores = [0.2, 0.5, 0.3].map { Float(log($0)) }
        #expect([0, 0.19, 0.21, 0.69, 0.71, 0.999].map { Reinforce.drawn(scores, $0) } == [0, 0, 1, 1, 2, 2])
    }

    @Test("the share of random actions falls linearly, then stays")
    func epsilon() {
        var agent = DeepQNetwork()
        (agent.firstEpsilon, agent.lastEpsilon, agent.epsilonSteps) = (1, 0.5, 100)
        #expect([0, 50, 100, 1000].map(agent.epsilon) == [1, 0.75, 0.5, 0.5])
    }

    @Test("the loss is Huber's to the reward and the target network's value of the action that the network finds best")
    func doubleQ() async throws {
        var agent = DeepQNetwork()
        agent.hidden = [8]
        agent.discount = 0.5
        agent.optimizer = GradientDescent(learningRate: 0.5)
        let run = ReinforcementRun(ReinforcementOptions(agent), .init()) { _ in }
        let session = try await run.open(task: nil)
        try await session.initialize(from: nil)
        let next: [Float] = [1, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0, 2]
        let batch = [
            Tensor([0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0] as [Float], ofShape: [3, 4]), Tensor([0, 1, 1] as [Int32]), Tensor([1, 9, -1] as [Float]),
            Tensor(next, ofShape: [3, 4]), Tensor([1, 1, 0] as [Float]),
        ]
        let target = try await session.policy.scores(next)
        for _ in 0..<3 { _ = try await session.update(batch) }
        let online = try await session.policy.scores(next), values = try await session.policy.scores(batch[0].array(of: Float.self))
        // The updates changed the network, not the target network.
        #expect(online != target)
        let best = try await session.policy.bestActions(next)
        var sum: Float = 0
        for (row, action) in [0, 1, 1].enumerated() {
            let expected = [1, 9, -1][row] + 0.5 * [1, 1, 0][row] * target[row][best[row]]
            let distance = abs(values[row][action] - expected)
            sum += distance <= 1 ? distance * distance / 2 : distance - 0.5
        }
        let loss = try await session.update(batch)
        #expect(abs(loss - sum / 3) < 1e-5)
        try await session.updateTarget()
        let fresh = try await session.policy.scores(next)
        let reply = try await session.session.run(fetches: ["dqn/target/output/BiasAdd:0"], feeds: [.init(session.graph.columns[3].name, batch[3])])
        #expect(try reply.tensors[0].tensor.array(of: Float.self) == fresh.flatMap { $0 })
    }

    @Test("numbers out of their ranges are refused, and say so")
    func ranges() {
        var wrong: [(any Agent, String)] = []
        var agent = DeepQNetwork()
        agent.discount = .nan
        wrong.append((agent, "discount must be between 0.0 and 1.0, found nan"))
        agent = DeepQNetwork()
        agent.batchSize = 0
        wrong.append((agent, "batchSize must be between 1"))
        var policy = Reinforce()
        policy.hidden = [0]
        wrong.append((policy, "units of a hidden layer must be between 1"))
        policy = Reinforce()
        policy.discount = 1
        wrong.append((policy, "discount must be between 0.0"))
        for (agent, text) in wrong {
            let error = #expect(throws: Status.self) { try ReinforcementTrainer(ReinforcementOptions(agent)).check() }
            #expect(error?.code == .invalidArgument && error?.message.contains("Agent '\(agent.name)': \(text)") == true, "\(error?.message ?? "")")
        }
        let unknown = #expect(throws: Status.self) { try AgentCatalog.agent(named: "ppo", option: "--agent") }
        #expect(unknown?.message == "--agent must be one of dqn, reinforce, found 'ppo'")
    }
}
