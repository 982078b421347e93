"""Where a subject comes from: a model that is analysed, results, files of results, a run's folder."""
