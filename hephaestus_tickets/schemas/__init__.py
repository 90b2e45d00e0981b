"""What crosses the border: vocabulary types, arguments, replies."""
