"""What a component may do: grants matched against canonical values. Deny by default; matching is pure."""
