import Testing

@testable import WeirTrain

@Suite("Timers of hooks")
struct SecondOrStepTimerTests {
    @Test("a timer of steps triggers at once and then every so many steps, but never twice at one step")
    func steps() {
        var timer = SecondOrStepTimer(.steps(10))
        #expect(timer.shouldTrigger(forStep: 3) && timer.lastTriggeredStep == nil)
        #expect(timer.updateLastTriggered(3) == nil)
        #expect(!timer.shouldTrigger(forStep: 3) && !timer.shouldTrigger(forStep: 12) && timer.shouldTrigger(forStep: 13))
        #expect(timer.updateLastTriggered(15)?.steps == 12)
        // The training was restored.
        #expect(!timer.shouldTrigger(forStep: 5) && timer.shouldTrigger(forStep: 25))
    }

    @Test("a timer of seconds triggers at once and then every so many seconds, but never twice at one step")
    func seconds() {
        let manual = ManualClock()
        var timer = SecondOrStepTimer(.seconds(2), clock: manual.clock)
        #expect(timer.shouldTrigger(forStep: 0))
        timer.updateLastTriggered(0)
        manual.advance(by: .seconds(1.5))
        #expect(!timer.shouldTrigger(forStep: 9))
        manual.advance(by: .seconds(0.5))
        #expect(timer.shouldTrigger(forStep: 9) && !timer.shouldTrigger(forStep: 0))
        #expect(timer.updateLastTriggered(9)?.seconds == 2)
    }

    @Test("a timer without an interval never triggers")
    func never() { #expect(!SecondOrStepTimer(nil).shouldTrigger(forStep: 0)) }
}
