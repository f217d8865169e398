/// A parameter of an optimizer or a schedule that a text can set: `beta1=0.9`.
struct NamedParameter<Root>: Sendable {
    /// The name in texts.
    let name: String
    /// What a value is, for messages.
    let form: String
    /// Sets the value; false if the text is not one.
    let set: @Sendable (inout Root, Substring) -> Bool

    private init(_ name: String, _ form: String, set: @escaping @Sendable (inout Root, Substring) -> Bool) {
        self.name = name
        self.form = form
        self.set = set
    }

    /// A finite number.
    static func number(_ name: String, _ set: @escaping @Sendable (inout Root, Double) -> Void) -> NamedParameter {
        NamedParameter(name, "a number") { root, text in
            guard let value = Double(text), value.isFinite else { return false }
            set(&root, value)
            return true
        }
    }
    /// A number of steps or of units, at least 0.
    static func count(_ name: String, _ set: @escaping @Sendable (inout Root, Int) -> Void) -> NamedParameter {
        NamedParameter(name, "a whole number") { root, text in
            guard let value = Int(text), value >= 0 else { return false }
            set(&root, value)
            return true
        }
    }
    /// `true` or `false`.
    static func flag(_ name: String, _ set: @escaping @Sendable (inout Root, Bool) -> Void) -> NamedParameter {
        NamedParameter(name, "true or false") { root, text in
            guard let value = Bool(String(text)) else { return false }
            set(&root, value)
            return true
        }
    }
    /// Finite numbers with `/` between them.
    static func numbers(_ name: String, _ set: @escaping @Sendable (inout Root, [Double]) -> Void) -> NamedParameter {
        NamedParameter(name, "numbers such as 1/0.1") { root, text in
            let values = text.split(separator: "/", omittingEmptySubsequences: false).map { Double($0) }
            guard values.allSatisfy({ $0?.isFinite == true }) else { return false }
            set(&root, values.compactMap { $0 })
            return true
        }
    }
}
