import WeirTensor

extension Table {
    /// The Iris data set: 150 flowers, four measurements, three species. R. A. Fisher, *The use of multiple measurements in
    /// taxonomic problems*, 1936; UCI Machine Learning Repository, CC BY 4.0.
    public static func iris() throws -> Table {
        try Table(csv: String(decoding: PackageResources.iris_csv, as: UTF8.self), source: "iris")
    }
}
