# The bucket for the documents, and the portal's user.
#
#   terraform init && terraform apply -var bucket=primetrade-documents
#
# `primetrade storage setup` does the same with the same names and texts, so that each finds nothing to change after the
# other. Use one of them. For a bucket that `storage setup` has created, import it first:
#   terraform import aws_s3_bucket.documents primetrade-documents
# and read the plan: it must destroy and replace nothing.
#
# Nothing here deletes an object, and the portal cannot.

locals {
  arn         = "arn:aws:s3:::${var.bucket}"
  replica     = var.replica_region == null ? {} : { (var.replica_region) = coalesce(var.replica_bucket, "${var.bucket}-replica") }
  replica_arn = { for region, name in local.replica : region => "arn:aws:s3:::${name}" }

  # In bytes. Smaller objects are cheaper in S3 Standard: the first two classes bill at least 128 KB per object, the
  # others 40 KB more than its size.
  worthwhile = { GLACIER_IR = 24000, STANDARD_IA = 72000, GLACIER = 16000, DEEP_ARCHIVE = 16000 }
}

# ---- The bucket

resource "aws_s3_bucket" "documents" {
  bucket = var.bucket

  # The documents outlive this configuration.
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "documents" {
  bucket                  = aws_s3_bucket.documents.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# ACLs are off, so only policies grant access.
resource "aws_s3_bucket_ownership_controls" "documents" {
  bucket = aws_s3_bucket.documents.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# The portal never overwrites an object. If anything else overwrites or deletes one, the previous version remains.
resource "aws_s3_bucket_versioning" "documents" {
  bucket = aws_s3_bucket.documents.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "documents" {
  bucket = aws_s3_bucket.documents.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256" # SSE-S3
    }
  }
}

# `primetrade storage check` finds these two statements by their Sid and compares them exactly. Change them in both
# places.
resource "aws_s3_bucket_policy" "documents" {
  bucket = aws_s3_bucket.documents.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "PrimeTradeHttpsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.arn, "${local.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      # Applies whatever a link says. REST-QUERY-STRING: only presigned links, not the portal's own requests.
      {
        Sid       = "PrimeTradeShortLinks"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:GetObject"
        Resource  = "${local.arn}/*"
        Condition = {
          StringEquals = { "s3:authType" = "REST-QUERY-STRING" }
          # Milliseconds since the link was signed.
          NumericGreaterThan = { "s3:signatureAge" = tostring(var.link_life_seconds * 1000) }
        }
      },
    ]
  })

  depends_on = [aws_s3_bucket_public_access_block.documents]
}

# The rules move objects and never expire them.
resource "aws_s3_bucket_lifecycle_configuration" "documents" {
  count  = var.archive_after_months == null ? 0 : 1
  bucket = aws_s3_bucket.documents.id

  rule {
    id     = "primetrade-old-versions"
    status = "Enabled"
    filter {
      and {
        prefix                   = "bols/"
        object_size_greater_than = local.worthwhile[var.archive_class]
      }
    }
    noncurrent_version_transition {
      noncurrent_days = var.archive_after_months * 30
      storage_class   = var.archive_class
    }
  }

  rule {
    id     = "primetrade-old-bols"
    status = "Enabled"
    filter {
      and {
        prefix                   = "bols/"
        object_size_greater_than = local.worthwhile[var.archive_class]
      }
    }
    transition {
      days          = var.archive_after_months * 30
      storage_class = var.archive_class
    }
  }

  # Rules about old versions need versioning.
  depends_on = [aws_s3_bucket_versioning.documents]
}

# ---- The portal's user

# If the portal runs inside AWS, give its role the policy below instead: a role has no key that can be lost.
resource "aws_iam_user" "portal" {
  name = var.user
}

# The least that the portal needs, as `primetrade storage policy` prints it.
resource "aws_iam_user_policy" "portal" {
  name = "primetrade-documents"
  user = aws_iam_user.portal.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      # With ListBucket, S3 reports a missing object as missing instead of refusing access. The other actions let
      # `storage check` report how the bucket is set up, and `audit verify` find overwritten and deleted objects; none of
      # them changes anything.
      {
        Sid    = "PrimeTradeBucket"
        Effect = "Allow"
        Action = [
          "s3:ListBucket",
          "s3:ListBucketVersions",
          "s3:GetBucketObjectLockConfiguration",
          "s3:GetBucketOwnershipControls",
          "s3:GetBucketPolicy",
          "s3:GetBucketPublicAccessBlock",
          "s3:GetBucketVersioning",
          "s3:GetEncryptionConfiguration",
          "s3:GetLifecycleConfiguration",
        ]
        Resource = local.arn
      },
      {
        Sid      = "PrimeTradeDocuments"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:RestoreObject"]
        Resource = [for folder in ["bols", "inbox", "audit", "storage-check"] : "${local.arn}/${folder}/*"]
      },
      # Checkpoints can be locked (`storage setup --lock-checkpoints`). A lock can only be made longer.
      {
        Sid      = "PrimeTradeCheckpoints"
        Effect   = "Allow"
        Action   = "s3:PutObjectRetention"
        Resource = "${local.arn}/audit/checkpoints/*"
      },
      # Only the test objects of `storage check`. The portal can delete no document.
      {
        Sid      = "PrimeTradeStorageCheck"
        Effect   = "Allow"
        Action   = "s3:DeleteObject"
        Resource = "${local.arn}/storage-check/*"
      },
    ]
  })
}

# The access key is not made here, because its secret would be in Terraform's state. Create it with
#   aws iam create-access-key --user-name primetrade-portal
# and put both values into the portal's environment. AWS shows the secret only this once.
# To replace it, create a second key, switch the portal, then run
#   aws iam delete-access-key --user-name … --access-key-id …

# ---- A copy in another region (var.replica_region)

# Objects that exist already are not copied. S3 Batch Replication copies them once.

resource "aws_s3_bucket" "replica" {
  for_each = local.replica
  provider = aws.replica
  bucket   = each.value

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "replica" {
  for_each                = aws_s3_bucket.replica
  provider                = aws.replica
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "replica" {
  for_each = aws_s3_bucket.replica
  provider = aws.replica
  bucket   = each.value.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "replica" {
  for_each = aws_s3_bucket.replica
  provider = aws.replica
  bucket   = each.value.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "replica" {
  for_each = aws_s3_bucket.replica
  provider = aws.replica
  bucket   = each.value.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_policy" "replica" {
  for_each = aws_s3_bucket.replica
  provider = aws.replica
  bucket   = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "PrimeTradeHttpsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.replica_arn[each.key], "${local.replica_arn[each.key]}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.replica]
}

resource "aws_iam_role" "replication" {
  for_each = local.replica
  name     = "${var.bucket}-replication"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sts:AssumeRole"
      # For this bucket only, so that S3 does not use the role for a bucket of someone else.
      Condition = { ArnLike = { "aws:SourceArn" = local.arn } }
    }]
  })
}

resource "aws_iam_role_policy" "replication" {
  for_each = local.replica
  name     = "replication"
  role     = aws_iam_role.replication[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
        Resource = local.arn
      },
      {
        Effect   = "Allow"
        Action   = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"]
        Resource = "${local.arn}/*"
      },
      # Without ReplicateDelete, so that deletions are not replicated.
      {
        Effect   = "Allow"
        Action   = ["s3:ReplicateObject", "s3:ReplicateTags"]
        Resource = "${local.replica_arn[each.key]}/*"
      },
    ]
  })
}

resource "aws_s3_bucket_replication_configuration" "documents" {
  for_each = local.replica
  bucket   = aws_s3_bucket.documents.id
  role     = aws_iam_role.replication[each.key].arn

  rule {
    id     = "primetrade-copy"
    status = "Enabled"
    filter {}
    delete_marker_replication {
      status = "Disabled"
    }
    destination {
      bucket = aws_s3_bucket.replica[each.key].arn
    }
  }

  # Both buckets must be versioned first.
  depends_on = [
    aws_s3_bucket_versioning.documents,
    aws_s3_bucket_versioning.replica,
    aws_iam_role_policy.replication,
  ]
}

# ---- Budget alert (var.alert_email)

resource "aws_budgets_budget" "storage" {
  count        = var.alert_email == null ? 0 : 1
  name         = "${var.bucket}-s3"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_unit   = "USD"
  limit_amount = tostring(var.monthly_budget_usd)

  # All of S3 in this account. Counting one bucket would require activating its tag for billing.
  cost_filter {
    name   = "Service"
    values = ["Amazon Simple Storage Service"]
  }

  # One alert when the budget is spent, and one when the forecast exceeds it.
  notification {
    comparison_operator        = "GREATER_THAN"
    threshold                  = 100
    threshold_type             = "PERCENTAGE"
    notification_type          = "ACTUAL"
    subscriber_email_addresses = [var.alert_email]
  }
  notification {
    comparison_operator        = "GREATER_THAN"
    threshold                  = 100
    threshold_type             = "PERCENTAGE"
    notification_type          = "FORECASTED"
    subscriber_email_addresses = [var.alert_email]
  }
}
