"""The look between two nights: rain of the last hours, readings against marks, sudden change."""
